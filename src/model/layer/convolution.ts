import { SosError } from '../../base/index.js'
import type { ArgumentSource, ModuleNode, OperatorCall, ScriptModule } from '../../torch/index.js'
import { expectModule, noSuchModule } from '../../torch/internal.js'
import { frozen } from './linear-layer.js'
import { ownFlow } from './own-flow.js'
import { WeightReads } from './weight-reads.js'

/** How a 2-d convolution moves over an image. Everything is in pixels, the height first. */
export interface ConvolutionGeometry {
  /** The size of the kernel. */
  readonly kernel: readonly [height: number, width: number]
  /** The step from one window to the next. */
  readonly stride: readonly [height: number, width: number]
  /** The zeros around the image. For an even kernel, `same` has one more below and to the right, as in PyTorch. */
  readonly padding: readonly [top: number, bottom: number, left: number, right: number]
  /** The distance between neighbouring values of a window. */
  readonly dilation: readonly [height: number, width: number]
  /** The number of groups, which divides the channels. */
  readonly groups: number
}

/** A 2-d convolution of a model. Each of its groups is a linear layer on the windows of an image. */
export interface ConvolutionLayer {
  /** The path of the submodule. */
  readonly path: string
  /** m = C_in/groups · kh · kw, the inputs of each group for one window. */
  readonly inFeatures: number
  /** n, the output channels of all groups together; each has n/groups. */
  readonly outFeatures: number
  /** Whether the layer has a bias. */
  readonly hasBias: boolean
  /** How it moves over an image. */
  readonly geometry: ConvolutionGeometry
}

type Pair = ConvolutionGeometry['kernel']

const convolutions = new Set([
  'aten::conv1d',
  'aten::conv2d',
  'aten::conv3d',
  'aten::conv_transpose1d',
  'aten::conv_transpose2d',
  'aten::conv_transpose3d',
  'aten::convolution',
  'aten::_convolution',
  'aten::_convolution_mode',
])

/** Whether the submodule itself calls a convolution of any kind. */
export function callsConvolution(node: ModuleNode): boolean {
  return node.operators.some((name) => convolutions.has(name))
}

/** Whether a call is one of a convolution of any kind. */
export function isConvolutionCall({ operator }: OperatorCall): boolean {
  return convolutions.has(operator)
}

/**
 * Lists the 2-d convolutions of a model that can be shifted, in the order in which its forward calls them.
 *
 * @param model the model
 * @returns the layers; empty if there are none
 * @throws `ERR_INVALID_ARGUMENT` if it is not a module
 * @example
 * console.log(convolutionLayers(model)[0]!.path) // → conv1
 */
export function convolutionLayers(model: ScriptModule): ConvolutionLayer[] {
  expectModule('model', model)
  const nodes = new Map(model.modules().map((node) => [node.path, node]))
  const reads = new WeightReads(model)
  return [...new Set(['', ...model.calledSubmodules()])].flatMap((path) => {
    const node = nodes.get(path)!
    if (!callsConvolution(node)) return []
    const layer = read(model, node, reads)
    return typeof layer === 'string' ? [] : [layer]
  })
}

/**
 * Finds a 2-d convolution that can be shifted: the one at `path`, or the last one that forward calls.
 *
 * @param model the model
 * @param path the path of the layer. Default: the last one that can be shifted
 * @returns the layer and its geometry
 * @throws `ERR_FROZEN` for a frozen model; `ERR_NO_SUCH_MODULE`; `ERR_NO_CONVOLUTION` if no path is given and none can
 *   be shifted; `ERR_NOT_CONVOLUTION` if the submodule is not a convolution; `ERR_NOT_SHIFTABLE` with the reason: it is
 *   transposed, 1-d, 3-d or quantised, is padded by other values than zeros, or its weight is computed at run time or
 *   read by something else too
 * @example
 * const { geometry, inFeatures } = convolutionLayer(model, 'layer4.conv2')
 * console.log(geometry.kernel, inFeatures) // → [ 3, 3 ] 2304
 */
export function convolutionLayer(model: ScriptModule, path?: string): ConvolutionLayer {
  expectModule('model', model)
  if (model.kind === 'frozen') throw frozen(model)
  if (path === undefined) {
    const last = convolutionLayers(model).at(-1)
    if (last !== undefined) return last
    throw new SosError(
      'ERR_NO_CONVOLUTION',
      `${model.path}: expected a 2-d convolution to shift but forward calls none that can be shifted`,
    )
  }
  const nodes = model.modules()
  const node = nodes.find((candidate) => candidate.path === path)
  if (node === undefined) {
    throw noSuchModule(
      path,
      nodes.map((candidate) => candidate.path),
    )
  }
  const layer = read(model, node, new WeightReads(model))
  if (typeof layer !== 'string') return layer
  if (layer !== '') throw new SosError('ERR_NOT_SHIFTABLE', `'${path}' cannot be shifted: ${layer}`)
  const known = convolutionLayers(model).map((candidate) => candidate.path)
  throw new SosError(
    'ERR_NOT_CONVOLUTION',
    `expected a 2-d convolution but '${path}' is a ${node.type}; those of this model: ${known.join(', ') || 'none'}`,
  )
}

/** The layer; or why it cannot be shifted; or '' if the submodule is not a convolution. */
function read(model: ScriptModule, node: ModuleNode, reads: WeightReads): ConvolutionLayer | string {
  const calls = ownFlow(model, node.path)?.calls ?? []
  if (calls.some(({ operator }) => operator.startsWith('quantized::conv'))) {
    return 'it is quantised; shift the model before it is quantised'
  }
  const found = calls.filter(({ operator }) => convolutions.has(operator))
  if (found.length === 0 || !callsConvolution(node)) return ''
  if (found.length > 1) return `it calls ${found.length} convolutions; name the one that is meant`
  const { operator, arguments: given } = found[0]!
  return (
    reasonAgainst(operator, given, calls, node) ??
    (reads.beyond(node.path, calls)
      ? 'its weight is tied: something else reads it too'
      : layerOf(node, given))
  )
}

function reasonAgainst(
  operator: string,
  given: OperatorCall['arguments'],
  calls: readonly OperatorCall[],
  node: ModuleNode,
): string | undefined {
  if (operator.startsWith('aten::conv_transpose') || given.transposed?.value === true) {
    return 'it is a transposed convolution, whose windows overlap in its output'
  }
  if (given.weight?.input !== undefined) return 'its weight is tied: it is that of another layer'
  if (given.weight?.attribute !== 'weight') {
    return `its weight is computed at run time${by(given.weight)}, as by weight norm or another parametrisation; remove that and export the model again`
  }
  const dimensions = node.parameters.find(({ name }) => name === 'weight')!.shape.length - 2
  if (dimensions !== 2) return `it is a ${dimensions}-d convolution, and only 2-d ones are known`
  if (given.input?.input !== 0) {
    const mode = calls.find((call) => call.operator === 'aten::pad')?.arguments.mode?.value
    return `its own code changes its input first${by(given.input)}${mode === undefined ? '' : `, padding mode '${mode}'`}; only zero padding by the convolution itself is known`
  }
  if (given.bias?.attribute !== 'bias' && given.bias?.value !== null) {
    return `its bias is computed at run time${by(given.bias)}`
  }
  for (const name of ['stride', 'padding', 'dilation', 'groups']) {
    if (given[name]?.value === undefined) return `its ${name} is computed at run time${by(given[name])}`
  }
  return undefined
}

function layerOf(node: ModuleNode, given: OperatorCall['arguments']): ConvolutionLayer {
  const [outFeatures, channels, height, width] = node.parameters.find(({ name }) => name === 'weight')!
    .shape as [number, number, number, number]
  const kernel = [height, width] as const
  const dilation = pair(given.dilation!.value)
  return {
    path: node.path,
    inFeatures: channels * height * width,
    outFeatures,
    hasBias: given.bias!.attribute !== undefined,
    geometry: {
      kernel,
      stride: pair(given.stride!.value),
      padding: padding(given.padding!.value, kernel, dilation),
      dilation,
      groups: Number(given.groups!.value),
    },
  }
}

function padding(value: unknown, kernel: Pair, dilation: Pair): ConvolutionGeometry['padding'] {
  if (value === 'same') {
    const [height, width] = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)]
    return [height >> 1, height - (height >> 1), width >> 1, width - (width >> 1)]
  }
  const [height, width] = value === 'valid' ? [0, 0] : pair(value)
  return [height, height, width, width]
}

/** In a schema's `int[2]`, one number stands for both. */
function pair(value: unknown): Pair {
  const numbers = ([value] as unknown[]).flat().map(Number)
  return [numbers[0]!, numbers[1] ?? numbers[0]!]
}

function by(source: ArgumentSource | undefined): string {
  return source?.resultOf === undefined ? '' : ` by ${source.resultOf}`
}
