import type { ConvolutionGeometry } from '../../model/index.js'
import { type Tensor, torch } from '../../torch/index.js'

/** Which parameters of a layer count. */
export interface CountedParameters {
  readonly weight: boolean
  readonly bias: boolean
}

/** The squared norms of the images' gradients of one layer, [n] in float64, from the gradient at the layer's output. */
export type SquaredNorms = (gradient: Tensor) => Tensor

/** How a layer's squared norms are computed. */
export interface LayerRule {
  /**
   * Takes what the norms need of the layer's input.
   *
   * @param input the layer's input; its first dimension is the image
   * @param output the layer's output
   * @param gradients how many gradients will be given
   * @param memory what may be kept for them
   */
  prepare(input: Tensor, output: Tensor, gradients: number, memory: Memory): SquaredNorms
}

/** The bytes that may be kept while the gradients of a chunk are computed. */
export class Memory {
  #free: number

  constructor(bytes: number) {
    this.#free = bytes
  }

  /** Whether so many bytes are left; they are taken then. */
  take(bytes: number): boolean {
    if (bytes > this.#free) return false
    this.#free -= bytes
    return true
  }
}

/** z = Wa + b for each position of each image. */
export function linearRule(counted: CountedParameters): LayerRule {
  return {
    prepare(input, output, gradients) {
      const inputs = positionsOf(input)
      const norms = productNorms({ inputs: () => inputs, outputs: output.shape.at(-1)!, gradients }, counted)
      return (gradient) => norms(positionsOf(gradient))
    },
  }
}

/** A 2-d convolution: a linear layer on the windows of an image, in each of its groups. */
export function convolutionRule(geometry: ConvolutionGeometry, counted: CountedParameters): LayerRule {
  const { groups } = geometry
  return {
    prepare(input, output, gradients, memory) {
      const images = input.shape[0]!
      const [, outputs, ...pixels] = output.shape as [number, number, ...number[]]
      const positions = pixels.reduce((a, b) => a * b, 1)
      const [height, width] = geometry.kernel
      const isKept = memory.take(8 * images * (input.shape[1]! * height * width) * positions)
      const windows = isKept ? windowsOf(input, geometry) : undefined
      const inputs = () => windows ?? windowsOf(input, geometry)
      const norms = productNorms({ inputs, outputs: outputs / groups, gradients }, counted)
      return (gradient) => {
        const own = norms(gradient.reshape([images * groups, outputs / groups, positions]))
        return groups === 1 ? own : own.view([images, groups]).sum([1])
      }
    },
  }
}

/** y = γx̂ + β with a γ and a β for each channel: BatchNorm by its running statistics. */
export function batchNormRule(
  statistics: { mean: Tensor; variance: Tensor; epsilon: number },
  counted: CountedParameters,
): LayerRule {
  const { mean, variance, epsilon } = statistics
  return {
    prepare(input) {
      const standardised = torch.batch_norm(input, null, null, mean, variance, false, 0, epsilon, false)
      const overPixels = (all: Tensor) => (all.ndim > 2 ? all.flatten(2).sum([2]) : all)
      return (gradient) => scaleNorms(gradient, standardised, counted, overPixels)
    },
  }
}

/** y = γx̂ + β with a γ and a β for each element of the last dimensions: LayerNorm. */
export function layerNormRule(
  { shape, epsilon }: { shape: readonly number[]; epsilon: number },
  counted: CountedParameters,
): LayerRule {
  return {
    prepare(input) {
      const standardised = torch.layer_norm(input, [...shape], null, null, epsilon, false)
      const elements = shape.reduce((a, b) => a * b, 1)
      const overPositions = (all: Tensor) => all.reshape([all.shape[0]!, -1, elements]).sum([1])
      return (gradient) => scaleNorms(gradient, standardised, counted, overPositions)
    },
  }
}

/**
 * The squared norms of Σ_l g_l u_lᵀ, where l runs over the positions of an image, and of Σ_l g_l for the bias. The matrix is made, or its
 * norm is taken from the Gram matrix of the inputs, ⟨G UᵀU, G⟩, whichever needs fewer multiplications for all gradients together.
 *
 * @param layer.inputs U, [images, inputs, positions]
 * @param layer.outputs the number of outputs of a position
 */
function productNorms(
  layer: { inputs: () => Tensor; outputs: number; gradients: number },
  { weight, bias }: CountedParameters,
): SquaredNorms {
  const ofWeight = weight ? weightNorms(layer) : noNorms
  return (g) => (bias ? ofWeight(g).add(squares(g.sum([2]))) : ofWeight(g))
}

function weightNorms({
  inputs,
  outputs,
  gradients,
}: {
  inputs: () => Tensor
  outputs: number
  gradients: number
}): SquaredNorms {
  const first = inputs()
  const [, features, positions] = first.shape as [number, number, number]
  if (positions === 1) {
    const lengths = squares(first)
    return (g) => squares(g).mul(lengths)
  }
  const byGram = positions * (gradients * outputs + features) < gradients * outputs * features
  if (!byGram) return (g) => squares(g.bmm(inputs().transpose(1, 2)))
  const gram = first.transpose(1, 2).bmm(first)
  return (g) => g.bmm(gram).mul(g).flatten(1).sum([1], false, { dtype: 'float64' })
}

function scaleNorms(
  gradient: Tensor,
  standardised: Tensor,
  { weight, bias }: CountedParameters,
  sum: (all: Tensor) => Tensor,
): Tensor {
  const ofWeight = weight ? squares(sum(gradient.mul(standardised))) : noNorms(gradient)
  return bias ? ofWeight.add(squares(sum(gradient))) : ofWeight
}

function noNorms(gradient: Tensor): Tensor {
  return torch.zeros([gradient.shape[0]!], { dtype: 'float64', device: gradient.device })
}

/** The sum of the squares for each image, [n] in float64. */
function squares(all: Tensor): Tensor {
  return all.flatten(1).square().sum([1], false, { dtype: 'float64' })
}

/** [images, …, features] as [images, features, positions]. */
function positionsOf(all: Tensor): Tensor {
  return all.reshape([all.shape[0]!, -1, all.shape.at(-1)!]).transpose(1, 2)
}

/** The windows of the images, [images · groups, channels of a group · kernel, pixels]; a view for a 1 × 1 kernel. */
function windowsOf(
  input: Tensor,
  { kernel, stride, padding, dilation, groups }: ConvolutionGeometry,
): Tensor {
  const [top, bottom, left, right] = padding
  const isEven = top === bottom && left === right
  const plain = kernel[0] * kernel[1] * stride[0] * stride[1] === 1 && !padding.some((zeros) => zeros > 0)
  const padded = isEven ? input : input.constant_pad_nd([left, right, top, bottom])
  const windows = plain
    ? input.flatten(2)
    : torch.im2col(padded, [...kernel], [...dilation], isEven ? [top, left] : [0, 0], [...stride])
  const [images, rows, pixels] = windows.shape as [number, number, number]
  return windows.reshape([images * groups, rows / groups, pixels])
}
