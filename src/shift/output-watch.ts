import { SosError } from '../base/index.js'
import type { OutputItem } from '../model/index.js'
import { findOutputLayer, tensorsIn } from '../model/internal.js'
import { type DType, type ScriptModule, scope, type Tensor, type Value } from '../torch/index.js'
import { epsilon } from '../torch/internal.js'
import type { Rounding } from './drift.js'
import type { ShiftableLayer } from './layer/layer.js'
import type { LinearMap } from './solve/linear-map.js'

/** The whole model's predictions for the same images before and after a shift: measured, not derived. */
export interface MeasuredPredictions {
  /** The number of images. */
  readonly images: number
  /** The number of images whose predicted class changed. */
  readonly changed: number
}

/**
 * Observes what becomes of a layer's outputs while images go through the model: whether they are the model's logits,
 * and which class the model predicts.
 */
export class OutputWatch {
  readonly #layer: ShiftableLayer
  readonly #map: LinearMap
  #steps: readonly string[] | null
  #oneRowEach = true
  #predictions: number[] | null = []
  #coarsest = 0

  /**
   * @param map the layer's map while the images go through it; for a layer of several groups, that of the first
   * @param item which item of the model's output is observed; {@link look} receives that item
   */
  constructor(model: ScriptModule, layer: ShiftableLayer, map: LinearMap, item?: OutputItem) {
    const found = model.kind === 'frozen' ? '' : findOutputLayer(model, item)
    this.#layer = layer
    this.#map = map
    this.#steps = typeof found !== 'string' && found.layer.path === layer.path ? found.steps : null
  }

  /**
   * The operators between the layer's outputs and the model's, as `outputLayer` finds them in the graph and as all
   * images confirmed; null if something else takes part.
   */
  get steps(): readonly string[] | null {
    return this.#steps
  }

  /** Whether the layer's outputs are the logits, a row for each image: they then decide which class is predicted. */
  get areLogits(): boolean {
    return this.#steps !== null && this.#oneRowEach && this.#predictions !== null
  }

  /** The class predicted for each image; null if the model does not return [N, classes]. */
  get predictions(): readonly number[] | null {
    return this.#predictions
  }

  /** How the model's outputs may be rounded, for a layer of this dtype. */
  rounding(layer: DType): Rounding {
    return {
      products: 16 * (layer === 'float64' ? epsilon('float64') : epsilon('float32')), // the sums of float16 are of float32
      outputs: Math.max(this.#coarsest, epsilon(layer)),
      softmax: this.#steps?.some((step) => /softmax/.test(step)) ?? false,
    }
  }

  /** Throws `ERR_NO_OUTPUT_LAYER` if the images showed that the layer's outputs are not the model's. */
  expectOutput(): void {
    if (this.#steps !== null) return
    throw new SosError(
      'ERR_NO_OUTPUT_LAYER',
      `expected '${this.#layer.path}' to make the model's output, as its graph shows, but on these images it does not; name the layer that is meant (--layer)`,
    )
  }

  /**
   * Receives what `captureChunks` reports of each forward: the model's output, and the layer's inputs [rows, m] of each
   * group.
   */
  readonly look = (output: Value, rows: readonly Tensor[], images: number): void =>
    scope(() => {
      const found = tensorsIn(output)
      const classes = found.filter((output) => areScores(output, images))
      for (const { dtype } of found) this.#coarsest = Math.max(this.#coarsest, epsilon(dtype))
      if (classes.length !== 1) this.#predictions = null
      this.#predictions?.push(...Array.from(classes[0]!.argmax(1).to('int32').toTypedArray() as Int32Array))
      if (rows[0]!.shape[0] !== images) this.#oneRowEach = false
      if (this.#steps === null) return
      if (found.length !== 1 || !this.#makes(found[0]!, rows[0]!, this.#steps)) this.#steps = null
    })

  /** Whether an output is the layer's, apart from the rounding of other kernels. */
  #makes(output: Tensor, rows: Tensor, steps: readonly string[]): boolean {
    const { weight, bias } = this.#map
    const a = rows.to('float64')
    const product = a.matmul(weight)
    let z = bias === null ? product : product.add(bias)
    const size = output.numel()
    if (steps.some((step) => /mean/.test(step))) {
      const images = size / z.shape[1]!
      if (!Number.isInteger(images) || images === 0 || z.shape[0]! % images !== 0) return false
      z = z.reshape([images, -1, z.shape[1]!]).mean([1])
    }
    const largest = z.abs().max().item()
    const softmax = steps.find((step) => /softmax/.test(step))
    if (softmax !== undefined) z = /log/.test(softmax) ? z.log_softmax(1) : z.softmax(1)
    if (z.numel() !== size) return false
    const difference = output
      .to({ device: 'cpu', dtype: 'float64' })
      .reshape(z.shape)
      .sub(z)
      .abs()
      .max()
      .item()
    const noise = a
      .square()
      .sum([1])
      .max()
      .mul(weight.square().sum([0]).max())
      .sqrt()
      .item()
    const rounding = 16 * Math.max(...[output.dtype, rows.dtype, 'float32' as const].map(epsilon))
    // NaN on both sides is no proof.
    return (
      difference <=
      Math.max(rounding, 1e-3) * (softmax === undefined ? largest : Math.max(1, largest)) + rounding * noise
    )
  }
}

/** Compares the predictions of two watches; null if the model's outputs are not classes. */
export function compared(before: OutputWatch, after: OutputWatch): MeasuredPredictions | null {
  const [first, second] = [before.predictions, after.predictions]
  if (first === null || second === null) return null
  const changed = first.filter((prediction, i) => prediction !== second[i]).length
  return { images: first.length, changed }
}

/** Whether a tensor is [N, classes], of numbers that have an order. */
function areScores({ ndim, shape, dtype }: Tensor, images: number): boolean {
  return (
    ndim === 2 &&
    shape[0] === images &&
    shape[1]! > 1 &&
    /^(b?float(16|32|64)|int(8|16|32|64)|uint8)$/.test(dtype)
  )
}
