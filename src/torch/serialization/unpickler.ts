import { PickleBudget } from './pickle-budget.js'
import { pickleGlobal } from './pickle-globals.js'
import type { PickleReader } from './pickle-reader.js'
import { PickleStack } from './pickle-stack.js'
import { InertObject, NumpyDType, PickledTensor, PickleGlobal, type PickleValue } from './pickle-values.js'
import { refusedPickle } from './refused-pickle.js'

/**
 * Reads one pickle (protocols 2 to 5) from the position of `reader` on. It builds only plain data and descriptions of tensors. The classes and
 * functions on a fixed list ({@link pickleGlobal}) run no foreign code, and an object of any other class is replaced by one of which only the
 * name is known.
 *
 * @param persistent gives the value of a persistent id, by which torch.save mentions storages
 * @throws `ERR_UNSAFE_PICKLE` for names that run programs and for opcodes that weights do not need; `ERR_DAMAGED_FILE`
 */
export function unpickle(
  reader: PickleReader,
  persistent: (id: PickleValue) => PickleValue = noPersistentIds,
): PickleValue {
  const protocol = reader.byte() === 0x80 ? reader.byte() : 0
  if (protocol < 2 || protocol > 5) throw reader.damaged('expected a pickle of protocol 2 to 5')
  const machine = new Unpickler(reader, persistent)
  for (;;) {
    const opcode = reader.byte()
    if (opcode === stop) return machine.stack.pop()
    machine.budget.spend(1)
    const step = steps.get(opcode)
    if (step === undefined) {
      const hex = opcode.toString(16).padStart(2, '0')
      throw refusedPickle(reader, `uses the opcode 0x${hex}, which weights do not need`)
    }
    step(machine, reader)
  }
}

const stop = 0x2e

/** The longest name of a class with its module, in characters. */
const longestName = 500

/** What each opcode does, except the textual ones; see https://github.com/python/cpython/blob/main/Lib/pickletools.py. */
const steps = new Map<number, (machine: Unpickler, reader: PickleReader) => void>(
  (
    [
      // Constants
      ['N', ({ stack }) => stack.push(null)],
      ['\x88', ({ stack }) => stack.push(true)],
      ['\x89', ({ stack }) => stack.push(false)],
      ['J', ({ stack }, reader) => stack.push(reader.int32())],
      ['K', ({ stack }, reader) => stack.push(reader.byte())],
      ['M', ({ stack }, reader) => stack.push(reader.uint16())],
      ['\x8a', ({ stack }, reader) => stack.push(reader.long(reader.byte()))],
      ['\x8b', ({ stack }, reader) => stack.push(reader.long(reader.uint32()))],
      ['G', ({ stack }, reader) => stack.push(reader.float64())],
      ['\x8c', ({ stack }, reader) => stack.push(reader.text(reader.byte()))],
      ['X', ({ stack }, reader) => stack.push(reader.text(reader.uint32()))],
      ['\x8d', ({ stack }, reader) => stack.push(reader.text(reader.uint64()))],
      ['U', ({ stack }, reader) => stack.push(reader.latin1(reader.byte()))],
      ['T', ({ stack }, reader) => stack.push(reader.latin1(reader.uint32()))],
      ['C', ({ stack }, reader) => stack.push(reader.bytes(reader.byte()).slice())],
      ['B', ({ stack }, reader) => stack.push(reader.bytes(reader.uint32()).slice())],
      ['\x8e', ({ stack }, reader) => stack.push(reader.bytes(reader.uint64()).slice())],
      ['\x96', ({ stack }, reader) => stack.push(reader.bytes(reader.uint64()).slice())],
      // Containers
      [')', (machine) => machine.list([])],
      [']', (machine) => machine.list([])],
      ['}', (machine) => machine.dict([])],
      ['\x8f', (machine) => machine.set([])],
      ['\x85', (machine) => machine.list(machine.stack.popMany(1))],
      ['\x86', (machine) => machine.list(machine.stack.popMany(2))],
      ['\x87', (machine) => machine.list(machine.stack.popMany(3))],
      ['t', (machine) => machine.list(machine.stack.popMark())],
      ['l', (machine) => machine.list(machine.stack.popMark())],
      ['\x91', (machine) => machine.set(machine.stack.popMark())],
      ['d', (machine) => machine.dict(machine.stack.popMark())],
      ['a', (machine) => machine.append(machine.stack.popMany(1))],
      ['e', (machine) => machine.append(machine.stack.popMark())],
      ['s', (machine) => machine.setItems(machine.stack.popMany(2))],
      ['u', (machine) => machine.setItems(machine.stack.popMark())],
      ['\x90', (machine) => machine.addItems(machine.stack.popMark())],
      // Stack and memo
      ['(', ({ stack }) => stack.mark()],
      ['0', ({ stack }) => stack.discard()],
      ['1', ({ stack }) => void stack.popMark()],
      ['2', ({ stack }) => stack.push(stack.top())],
      ['q', ({ stack }, reader) => stack.remember(reader.byte())],
      ['r', ({ stack }, reader) => stack.remember(reader.uint32())],
      ['\x94', ({ stack }) => stack.remember()],
      ['h', ({ stack }, reader) => stack.recall(reader.byte())],
      ['j', ({ stack }, reader) => stack.recall(reader.uint32())],
      // Names, calls and attributes
      ['c', (machine, reader) => machine.name(reader.line(), reader.line())],
      ['\x93', (machine) => machine.name(...(machine.stack.popMany(2) as [PickleValue, PickleValue]))],
      ['R', (machine) => machine.call(...(machine.stack.popMany(2) as [PickleValue, PickleValue]))],
      ['\x81', (machine) => machine.call(...(machine.stack.popMany(2) as [PickleValue, PickleValue]))],
      ['\x92', (machine) => machine.call(...machine.withoutKeywords())],
      ['b', (machine) => machine.build(machine.stack.pop())],
      ['Q', (machine) => machine.load(machine.stack.pop())],
      // A frame only promises that its bytes are there
      ['\x95', (_, reader) => void reader.uint64()],
    ] satisfies [string, (machine: Unpickler, reader: PickleReader) => void][]
  ).map(([opcode, step]) => [opcode.charCodeAt(0), step]),
)

class Unpickler {
  readonly budget: PickleBudget
  readonly stack: PickleStack

  constructor(
    readonly reader: PickleReader,
    readonly persistent: (id: PickleValue) => PickleValue,
  ) {
    this.budget = new PickleBudget(reader)
    this.stack = new PickleStack(reader, this.budget)
  }

  list(items: PickleValue[]): void {
    this.budget.list(items.length)
    this.stack.push(items)
  }

  dict(items: PickleValue[]): void {
    this.budget.table()
    this.stack.push(new Map())
    this.setItems(items)
  }

  set(items: PickleValue[]): void {
    this.budget.table()
    this.stack.push(new Set())
    this.addItems(items)
  }

  setItems(items: PickleValue[]): void {
    const map = this.stack.top()
    if (map instanceof InertObject) return
    if (!(map instanceof Map) || items.length % 2 !== 0)
      throw this.reader.damaged('it sets items of something that is not a dict')
    for (let i = 0; i < items.length; i += 2) {
      this.budget.entered(items[i]!)
      map.set(items[i]!, items[i + 1]!)
    }
  }

  append(items: PickleValue[]): void {
    const list = this.stack.top()
    if (list instanceof InertObject) return
    if (!Array.isArray(list)) throw this.reader.damaged('it appends to something that is not a list')
    this.budget.listed(items.length)
    for (const item of items) list.push(item)
  }

  addItems(items: PickleValue[]): void {
    const set = this.stack.top()
    if (set instanceof InertObject) return
    if (!(set instanceof Set)) throw this.reader.damaged('it adds to something that is not a set')
    for (const item of items) {
      this.budget.entered(item)
      set.add(item)
    }
  }

  name(module: PickleValue, name: PickleValue): void {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw this.reader.damaged('a name is not a text')
    if (module.length + name.length > longestName)
      throw this.reader.damaged('a name is longer than any real one')
    const found = pickleGlobal(module, name)
    if (found === undefined) throw refusedPickle(this.reader, `names ${module}.${name}, which runs programs`)
    this.stack.push(found)
  }

  call(callee: PickleValue, args: PickleValue): void {
    if (!Array.isArray(args)) throw this.reader.damaged('it calls without arguments')
    if (!(callee instanceof PickleGlobal || callee instanceof InertObject))
      throw refusedPickle(this.reader, 'calls something that is not a function')
    // A call copies its arguments, and the memo can pass the same arguments to any number of calls.
    this.budget.table()
    for (const argument of args) this.budget.copied(argument)
    // What is made from an object of an unknown class is of an unknown class too.
    const unknown = callee instanceof InertObject ? callee : callee.foreign ? undefined : args[0]
    this.stack.push(
      unknown instanceof InertObject
        ? unknown
        : this.#checked(`it calls ${callee.name} wrongly`, () => (callee as PickleGlobal).call(args)),
    )
  }

  /** The callee and the positional arguments of a call with keywords, which only occurs for classes that are not known here. */
  withoutKeywords(): [PickleValue, PickleValue] {
    const [callee, args] = this.stack.popMany(3) as [PickleValue, PickleValue, PickleValue]
    return [callee, args]
  }

  load(id: PickleValue): void {
    const [kind, type] = Array.isArray(id) ? id : []
    if (type instanceof PickleGlobal && type.foreign) {
      // Before PyTorch 1.6 torch.save stored the class of a module with its source. A storage of another class belongs to a quantised tensor.
      this.stack.push(kind === 'module' ? type : new InertObject(type.name))
      return
    }
    this.stack.push(this.#checked('it describes a storage wrongly', () => this.persistent(id)))
  }

  /** Sets attributes. Those of an OrderedDict (`_metadata`) and of a tensor are not used here. */
  build(state: PickleValue): void {
    const target = this.stack.top()
    if (target instanceof InertObject) {
      target.isModule ||= state instanceof Map && state.has('_modules') && state.has('_parameters')
    } else if (target instanceof NumpyDType) {
      if (Array.isArray(state)) target.littleEndian = state[1] !== '>'
    } else if (!(target instanceof Map || target instanceof PickledTensor)) {
      throw refusedPickle(this.reader, 'sets attributes of what is neither a dict nor a tensor')
    }
  }

  #checked(what: string, body: () => PickleValue): PickleValue {
    try {
      return body()
    } catch (cause) {
      throw this.reader.damaged(`${what}: ${(cause as Error).message}`)
    }
  }
}

function noPersistentIds(): never {
  throw new Error('expected no storage here')
}
