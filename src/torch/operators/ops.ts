import { SosError } from '../../base/index.js'
import { currentContext } from '../context/context.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { NativeValue, OperatorHandle } from '../native/handles.js'
import { handleOf, Tensor, takeSpareHandle } from '../tensor/tensor.js'
import type { OperatorNamespaces } from './operator-packets.generated.js'
import { operatorPackets } from './operator-packets.js'
import type { AsyncOperators, Operators, TensorMethods } from './operators.generated.js'
import { fromNative, isOptions, toNative, toNativeRecord, type Value } from './values.js'

// Every ATen operator whose first argument is `self` is a method. The types are generated from libtorch's schemas.
declare module '../tensor/tensor.js' {
  interface Tensor extends TensorMethods {}
}

/**
 * Calls any registered operator by its full name.
 *
 * @param name for example `aten::add`, whose overload is resolved by the arguments, or `aten::add.Tensor`
 * @param args positional arguments, and perhaps a plain object with keyword arguments at the end, under the names of the operator's schema
 * @returns the result: a tensor, or an array of several results
 * @throws `ERR_OPERATOR_UNKNOWN` when there is no such operator, `ERR_OPERATOR_ARGUMENTS` when no overload fits, `ERR_TORCH` when it fails
 * @example
 * console.log(callOperator('aten::add.Tensor', torch.ones([2]), torch.ones([2]), { alpha: 10 }))
 * // → tensor([11., 11.])
 */
export function callOperator(name: string, ...args: unknown[]): Value {
  return invoke(binding.findOperator(name), args, isInPlace(name))
}

/**
 * Calls any registered operator by its full name, off the event loop.
 *
 * @param name as for {@link callOperator}
 * @param args as for {@link callOperator}
 * @returns the result
 * @throws as {@link callOperator}, and `ERR_QUEUE_FULL` when too many calls are pending
 * @example
 * console.log(await callOperatorAsync('aten::neg', torch.ones([2])))
 * // → tensor([-1., -1.])
 */
export function callOperatorAsync(name: string, ...args: unknown[]): Promise<Value> {
  return invokeAsync(binding.findOperator(name), args, isInPlace(name))
}

// Calls with up to three arguments and no keywords are by far the most frequent. They make no array. `target` is the tensor that an in-place
// operator writes to and returns.

function call1(operator: OperatorHandle, target: Tensor | undefined, a: NativeValue): Value {
  const into = target === undefined ? takeSpareHandle() : handleOf(target)
  return wrapResult(binding.callOperator(operator, currentContext().modes, undefined, into, a), target)
}

function call2(operator: OperatorHandle, target: Tensor | undefined, a: NativeValue, b: NativeValue): Value {
  const into = target === undefined ? takeSpareHandle() : handleOf(target)
  return wrapResult(binding.callOperator(operator, currentContext().modes, undefined, into, a, b), target)
}

function call3(
  operator: OperatorHandle,
  target: Tensor | undefined,
  a: NativeValue,
  b: NativeValue,
  c: NativeValue,
): Value {
  const into = target === undefined ? takeSpareHandle() : handleOf(target)
  return wrapResult(binding.callOperator(operator, currentContext().modes, undefined, into, a, b, c), target)
}

/** The result of a call: `target` itself if the operator returned it. */
function wrapResult(native: NativeValue, target: Tensor | undefined): Value {
  return target !== undefined && native === handleOf(target) ? target : fromNative(native)
}

function invoke(operator: OperatorHandle, args: unknown[], inPlace: boolean): Value {
  const { length } = args
  if (length > 0 && length <= 3 && !isOptions(args[length - 1])) {
    const target = targetOf(args, undefined, inPlace)
    const first = toNative(args[0])
    if (length === 1) return call1(operator, target, first)
    const second = toNative(args[1])
    if (length === 2) return call2(operator, target, first, second)
    return call3(operator, target, first, second, toNative(args[2]))
  }
  const options = takeOptions(args)
  const target = targetOf(args, options, inPlace)
  const into = target === undefined ? takeSpareHandle() : handleOf(target)
  const { modes } = currentContext()
  return wrapResult(
    binding.callOperator(
      operator,
      modes,
      options && toNativeRecord(options),
      into,
      ...args.map((value) => toNative(value)),
    ),
    target,
  )
}

async function invokeAsync(operator: OperatorHandle, args: unknown[], inPlace: boolean): Promise<Value> {
  const options = takeOptions(args)
  const target = targetOf(args, options, inPlace)
  const { modes } = currentContext()
  const native = await onLane(() =>
    binding.callOperatorAsync(
      operator,
      modes,
      options && toNativeRecord(options),
      ...args.map((value) => toNative(value)),
    ),
  )
  const made = fromNative(native)
  const same = target?.disposed === false && made instanceof Tensor
  if (!same || !binding.isSameTensor(handleOf(made), handleOf(target))) return made
  made.dispose()
  return target
}

/** The tensor that a call writes to and returns, as in Python; undefined if it makes a new one. */
function targetOf(
  args: readonly unknown[],
  options: Record<string, unknown> | undefined,
  inPlace: boolean,
): Tensor | undefined {
  const target = options?.out ?? (inPlace ? args[0] : undefined)
  return target instanceof Tensor ? target : undefined
}

/** Whether a name is that of an in-place operator: `aten::add_`, `add_.Tensor`, `__iand__`. */
function isInPlace(name: string): boolean {
  return /[^_]_(\.\w+)?$|\b__i\w+__(\.\w+)?$/.test(name)
}

/** Removes the plain object with keyword arguments from the end of the arguments. */
function takeOptions(args: unknown[]): Record<string, unknown> | undefined {
  const last = args[args.length - 1]
  if (!isOptions(last)) return undefined
  args.pop()
  return last
}

/** A function that looks its operator up at the first call, since there are thousands of operators. */
function lazily(
  name: string,
  call: (operator: OperatorHandle, args: unknown[], inPlace: boolean) => unknown,
) {
  let operator: OperatorHandle | undefined
  const inPlace = isInPlace(name)
  return (...args: unknown[]) => {
    operator ??= binding.findOperator(name)
    return call(operator, args, inPlace)
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
  const inPlace = isInPlace(name)
  const method = {
    [name](this: Tensor, first: unknown, second: unknown): Value {
      if (!(this instanceof Tensor)) {
        throw new SosError(
          'ERR_INVALID_ARGUMENT',
          `expected ${name} to be called as a method of a Tensor but it was called on something else`,
        )
      }
      operator ??= binding.findOperator(`aten::${name}`)
      const target = inPlace ? this : undefined
      // biome-ignore lint/complexity/noArguments: rest parameters would make an array
      const { length } = arguments
      if (length === 0) return call1(operator, target, handleOf(this))
      if (length === 1 && !isOptions(first)) return call2(operator, target, handleOf(this), toNative(first))
      if (length === 2 && !isOptions(second)) {
        return call3(operator, target, handleOf(this), toNative(first), toNative(second))
      }
      // biome-ignore lint/complexity/noArguments: as above
      return invoke(operator, [this, ...arguments], inPlace)
    },
  }
  Object.defineProperty(Tensor.prototype, name, {
    value: method[name],
    writable: true,
    configurable: true,
    enumerable: false,
  })
}

/** Every ATen operator by its name; the same off the event loop under `async`; all namespaces and single overloads under `ops`. */
export const aten = Object.assign(operators, {
  async: asyncOperators,
  ops: operatorPackets((name, operator, args) => invoke(operator, args, isInPlace(name))),
}) as unknown as Operators & { readonly async: AsyncOperators; readonly ops: OperatorNamespaces }
