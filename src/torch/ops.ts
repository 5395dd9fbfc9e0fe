import { binding, type NativeValue, type OperatorHandle } from './binding.js'
import { currentContext } from './context.js'
import { SosError } from './errors.js'
import { functions } from './functions.js'
import { onLane } from './lane.js'
import type { OperatorNamespaces } from './operator-packets.generated.js'
import { operatorPackets } from './operator-packets.js'
import type { AsyncOperators, Operators } from './operators.generated.js'
import { handleOf, Tensor, takeSpareHandle } from './tensor/tensor.js'
import { fromNative, isOptions, toNative, toNativeRecord, type Value } from './values.js'

/**
 * Calls any registered operator by its full name, as `aten::add` or `aten::add.Tensor`: positional arguments, then
 * perhaps a plain object with keyword arguments under the schema's own names. Overloads are resolved by the arguments.
 */
export function callOperator(name: string, ...args: unknown[]): Value {
  return invoke(binding.findOperator(name), args)
}

/** As {@link callOperator}, off the event loop. */
export function callOperatorAsync(name: string, ...args: unknown[]): Promise<Value> {
  return invokeAsync(binding.findOperator(name), args)
}

// Calls with up to three arguments and no keywords are by far the most frequent: they make no array.

function call1(operator: OperatorHandle, a: NativeValue): Value {
  return fromNative(binding.callOperator(operator, currentContext().modes, undefined, takeSpareHandle(), a))
}

function call2(operator: OperatorHandle, a: NativeValue, b: NativeValue): Value {
  return fromNative(
    binding.callOperator(operator, currentContext().modes, undefined, takeSpareHandle(), a, b),
  )
}

function call3(operator: OperatorHandle, a: NativeValue, b: NativeValue, c: NativeValue): Value {
  return fromNative(
    binding.callOperator(operator, currentContext().modes, undefined, takeSpareHandle(), a, b, c),
  )
}

function invoke(operator: OperatorHandle, args: unknown[]): Value {
  const { length } = args
  if (length > 0 && length <= 3 && !isOptions(args[length - 1])) {
    const first = toNative(args[0])
    if (length === 1) return call1(operator, first)
    const second = toNative(args[1])
    if (length === 2) return call2(operator, first, second)
    return call3(operator, first, second, toNative(args[2]))
  }
  const keyword = takeKeyword(args)
  const { modes } = currentContext()
  return fromNative(
    binding.callOperator(
      operator,
      modes,
      keyword,
      takeSpareHandle(),
      ...args.map((value) => toNative(value)),
    ),
  )
}

async function invokeAsync(operator: OperatorHandle, args: unknown[]): Promise<Value> {
  const keyword = takeKeyword(args)
  const { modes } = currentContext()
  return fromNative(
    await onLane(() => binding.callOperatorAsync(operator, modes, keyword, ...args.map(toNative))),
  )
}

function takeKeyword(args: unknown[]): Record<string, NativeValue> | undefined {
  const last = args[args.length - 1]
  if (!isOptions(last)) return undefined
  args.pop()
  return toNativeRecord(last)
}

/** An operator is looked up at its first call; there are thousands. */
function lazily(name: string, call: (operator: OperatorHandle, args: unknown[]) => unknown) {
  let operator: OperatorHandle | undefined
  return (...args: unknown[]) => {
    operator ??= binding.findOperator(name)
    return call(operator, args)
  }
}

const operators: Record<string, unknown> = {}
const asyncOperators: Record<string, unknown> = {}

for (const schema of binding.operatorSchemas()) {
  if (!schema.startsWith('aten::')) continue
  const name = schema.slice(6, schema.search(/[.(]/))
  const isMethod = /^[^(]*\(Tensor(\([^)]*\))? self\b/.test(schema)
  if (!(name in operators)) {
    operators[name] = lazily(`aten::${name}`, invoke)
    asyncOperators[name] = lazily(`aten::${name}`, invokeAsync)
  }
  if (isMethod && !(name in Tensor.prototype)) defineMethod(name)
}

function defineMethod(name: string): void {
  let operator: OperatorHandle | undefined
  const method = {
    [name](this: Tensor, first: unknown, second: unknown): Value {
      if (!(this instanceof Tensor)) {
        throw new SosError('ERR_INVALID_ARGUMENT', `expected ${name} to be called on a Tensor`)
      }
      operator ??= binding.findOperator(`aten::${name}`)
      // biome-ignore lint/complexity/noArguments: rest parameters would make an array
      const { length } = arguments
      if (length === 0) return call1(operator, handleOf(this))
      if (length === 1 && !isOptions(first)) return call2(operator, handleOf(this), toNative(first))
      if (length === 2 && !isOptions(second)) {
        return call3(operator, handleOf(this), toNative(first), toNative(second))
      }
      // biome-ignore lint/complexity/noArguments: as above
      return invoke(operator, [this, ...arguments])
    },
  }
  Object.defineProperty(Tensor.prototype, name, {
    value: method[name],
    writable: true,
    configurable: true,
    enumerable: false,
  })
}

/**
 * PyTorch's functions: every ATen operator by its name (`torch.matmul(a, b)`, `torch.linalg_svd(a, { full_matrices: false })`),
 * the same off the event loop under `torch.async`, all namespaces and single overloads under `torch.ops`
 * (`torch.ops.aten.add.Tensor(a, b)`), `torch.tensor`, `torch.fromBuffer`, and the functions beside them, as
 * `torch.cuda.isAvailable()`.
 */
export const torch = Object.assign(operators, {
  async: asyncOperators,
  ops: operatorPackets(invoke),
  tensor: Tensor.from,
  fromBuffer: Tensor.fromBuffer,
  ...functions,
}) as unknown as Operators &
  typeof functions & {
    readonly async: AsyncOperators
    readonly ops: OperatorNamespaces
    readonly tensor: typeof Tensor.from
    readonly fromBuffer: typeof Tensor.fromBuffer
  }
