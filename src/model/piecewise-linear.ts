import type { ArgumentSource, OperatorCall, ScriptModule } from '../torch/index.js'
import { expectModule, storageOf } from '../torch/internal.js'
import { graphReads } from './graph-reads.js'

type Arguments = OperatorCall['arguments']

/** Operators that are piecewise linear in all their tensors together, or return them as they are. */
const linear = names(`
  add sub rsub neg sum mean cumsum cat concat stack abs max min amax amin maximum minimum where
  relu relu6 leaky_relu hardtanh threshold clamp clamp_min clamp_max
  max_pool1d max_pool2d max_pool3d max_pool2d_with_indices adaptive_max_pool2d
  avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
  flatten view reshape permute transpose t contiguous clone squeeze unsqueeze expand expand_as repeat slice select narrow
  chunk split split_with_sizes unbind index_select flip roll pixel_shuffle channel_shuffle
  copy append insert list __getitem__
  pad constant_pad_nd reflection_pad2d replication_pad2d upsample_nearest2d upsample_bilinear2d to type_as`)

/** Operators on shapes and numbers, or with steps as results: no gradient flows through them. */
const flat = names(`
  size len dim numel eq ne lt le gt ge __and__ __or__ __is__ __isnot__ __not__ __contains__ format warn
  Int Float Bool floordiv floor_divide remainder is_floating_point is_cuda`)

/** Operators that are linear in each of two factors: one of the two must be a tensor of the module, or a constant. */
const bilinear: Readonly<Record<string, readonly [string, string]>> = {
  linear: ['input', 'weight'],
  conv1d: ['input', 'weight'],
  conv2d: ['input', 'weight'],
  conv3d: ['input', 'weight'],
  conv_transpose1d: ['input', 'weight'],
  conv_transpose2d: ['input', 'weight'],
  conv_transpose3d: ['input', 'weight'],
  convolution: ['input', 'weight'],
  _convolution: ['input', 'weight'],
  _convolution_mode: ['input', 'weight'],
  prelu: ['self', 'weight'],
  mul: ['self', 'other'],
  matmul: ['self', 'other'],
  mm: ['self', 'mat2'],
  addmm: ['mat1', 'mat2'],
}

/**
 * Decides whether the logits of a model in eval mode are, near almost every point, an affine function of each single
 * parameter while the others are kept fixed. Then no diagonal entry of the Hessian comes from the network's own
 * curvature, and the trace of the Hessian of its cross-entropy equals that of the generalised Gauss-Newton matrix
 * (Schraudolph 2002).
 *
 * This holds under three conditions. Every operator is linear or piecewise linear in the tensors that pass through
 * it, such as convolutions, BatchNorm with its running statistics, ReLU, max-pooling and sums. Two tensors are
 * multiplied only if one of them is a weight or a constant. Each parameter is read once, since tied weights and loops
 * would make its square. The graph decides. An operator that is not known to be linear counts as curved, and so does
 * a dropout in train mode.
 *
 * @param model the model
 * @returns true if it is known to be piecewise linear
 * @throws `ERR_INVALID_ARGUMENT` if it is not a module
 * @example
 * console.log(isPiecewiseLinear(model)) // → true
 */
export function isPiecewiseLinear(model: ScriptModule): boolean {
  expectModule('model', model)
  return whyCurved(model) === null
}

/**
 * What keeps a model from being piecewise linear, for a message, for example `aten::gelu`; null if it is piecewise
 * linear.
 */
export function whyCurved(model: ScriptModule): string | null {
  const buffers = new Set(model.namedBuffers().keys())
  const trained = trainedStorages(model)
  for (const call of model.operatorCalls()) {
    const reason = reasonAgainst(call, buffers, trained)
    if (reason !== null) return reason
  }
  const { counts, hidden } = graphReads(model.graphTree(), (operator) => flat.has(plainName(operator)))
  if (hidden !== null) return hidden
  const seen = new Set<bigint>()
  for (const [name, count] of counts) {
    const storage = trained.get(name)
    if (storage === undefined) continue
    if (count > 1 || seen.has(storage)) return `'${name}' is read more than once`
    seen.add(storage)
  }
  return null
}

function reasonAgainst(
  { operator, arguments: given }: OperatorCall,
  buffers: ReadonlySet<string>,
  trained: ReadonlyMap<string, bigint>,
): string | null {
  const name = plainName(operator)
  const isNumbers = 'a' in given && 'b' in given // overloads of int and float, by their schemas
  if (linear.has(name) || flat.has(name) || (isNumbers && /^(mul|div|add|sub|pow)$/.test(name))) return null
  if (name in bilinear) {
    return bilinear[name]!.some((factor) => isOfModule(given[factor])) ? null : operator
  }
  if (name === 'div') {
    const { other } = given
    const fixed = isOfModule(other) && !trained.has(other?.attribute ?? '')
    return fixed ? null : operator
  }
  if (name === 'batch_norm') return hasRunningStatistics(given, buffers) ? null : `${operator} of the batch`
  if (/^(feature_)?dropout$/.test(name)) return given.train?.value === false ? null : `${operator} at work`
  return operator
}

/** Whether it is a weight, a buffer or a constant. */
function isOfModule(source: ArgumentSource | undefined): boolean {
  return (
    source?.attribute !== undefined || source?.value !== undefined || source?.resultOf === 'prim::Constant'
  )
}

/** In eval mode a scripted norm chooses at run time what it normalises by: its running statistics, if it has any. */
function hasRunningStatistics(given: Arguments, buffers: ReadonlySet<string>): boolean {
  if (given.training?.value === true) return false
  if (given.training?.value === false) return buffers.has(given.running_mean?.attribute ?? '')
  return buffers.has((given.weight?.attribute ?? '').replace(/weight$/, 'running_mean'))
}

/** The memory of each parameter that requires gradients. */
function trainedStorages(model: ScriptModule): Map<string, bigint> {
  const trained = [...model.namedParameters()].filter(([, parameter]) => parameter.requiresGrad)
  return new Map(trained.map(([name, parameter]) => [name, storageOf(name, parameter).id]))
}

/** `relu` for `aten::relu_`. */
function plainName(operator: string): string {
  const name = operator.replace(/^aten::/, '')
  return name.startsWith('__') ? name : name.replace(/_$/, '')
}

function names(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/))
}
