import { checkNumbers, count, expectObject, type NumberChecks, SosError, wholeSeed } from '../base/index.js'
import type { Dataset, RunOptions } from '../data/index.js'
import { checkIndices, expectDataset } from '../data/internal.js'
import type { OutputOptions } from '../model/index.js'
import { expectFinite, onImages, outputOf, pass } from '../model/internal.js'
import { keepTensor, type ScriptModule, scope, Tensor, torch, type Value } from '../torch/index.js'
import { expectModule, type Generator } from '../torch/internal.js'
import { convolutionRows, sampleWindows } from './layer/convolution-rows.js'
import { groupsOf, isConvolution, type ShiftableLayer } from './layer/layer.js'

/** How the inputs of a layer are captured. */
export interface CaptureOptions extends RunOptions, OutputOptions {
  /** How many images one forward takes. Default: 64. */
  chunk?: number
  /** For a convolution: how many windows to draw from each image, without replacement. Default: all. */
  windowsPerImage?: number
  /** The seed of the draw of the windows. Default: 0. */
  windowSeed?: number
}

/** The checks of the numbers in {@link CaptureOptions}. */
export const captureNumbers: NumberChecks<CaptureOptions> = {
  chunk: count,
  windowsPerImage: count,
  windowSeed: wholeSeed,
}

/** The inputs of a layer for some samples. */
export interface CapturedRows {
  /** A of each group, [rows, m], on the CPU, in the dtype of the features. A linear layer is one group. */
  readonly rows: readonly Tensor[]
  /** The samples that the rows come from, without those that the dataset skipped. */
  readonly indices: readonly number[]
  /** How many outputs the model has for an image; null if it does not return [images, outputs]. */
  readonly outputs: number | null
}

/**
 * Receives what each forward gave: the model's output, or the item of it that was asked for; the rows of each group;
 * and the number of images. The tensors are freed after the call.
 */
export type Look = (output: Value, rows: readonly Tensor[], images: number) => void

/**
 * Captures the inputs of a layer for the samples at `indices`, the paper's A, chunk by chunk. They are taken by a
 * forward pre-hook, in eval mode. A layer that is called several times in a forward, or on several positions of an
 * image, gives a row for each. A convolution gives a row for each window. The tensors of a chunk are freed when the
 * next chunk is asked for.
 *
 * @param model the model to run; it is not changed
 * @param layer the layer whose inputs are captured, as `shiftableLayer` returns it
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options how many images a forward takes, which windows, and where to run
 * @param look is called after each forward
 * @returns a generator of chunks
 * @throws `ERR_NOT_CALLED` if a forward does not call the layer; `ERR_NOT_LINEAR` if the layer's input is not a tensor;
 *   `ERR_NOT_FINITE` if it holds NaN or infinity; `ERR_OUTPUT_SHAPE` if the layer's output is the model's but has not
 *   one row for each image, or if the model's output has no item `output`
 * @example
 * let rows = 0
 * for await (const chunk of captureChunks(model, linearLayer(model), train, [3, 1, 4], { chunk: 2 })) rows += chunk.rows[0]!.shape[0]!
 * console.log(rows) // → 3
 */
export async function* captureChunks(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  indices: readonly number[],
  options: CaptureOptions = {},
  look?: Look,
): AsyncGenerator<CapturedRows> {
  const { chunk = 64, device, onProgress, signal, output: item } = options
  checkNumbers(options, captureNumbers)
  checkIndices(dataset, indices)
  using held = model.view({ eval: true }) // so that the hook receives only the calls of this view
  using heard = new HeardRows(held, layer, options)
  const run = { chunk, device, onProgress, signal }
  for await (const { images, indices: loaded } of pass(held, dataset, indices, run)) {
    const { rows, outputs } = await torch.noGrad(() =>
      scope(async () => {
        const output = await onImages(model, images, async (some) => {
          heard.forget()
          const whole = await held.forward<Value>(some)
          return item === undefined ? whole : outputOf(whole, item)
        })
        const rows = heard.rows(loaded.length, output)
        for (const part of rows) expectFinite(model, `the inputs of '${layer.path}'`, part, images)
        look?.(output, rows, loaded.length)
        return { rows: rows.map(keepTensor), outputs: outputsIn(output, loaded) }
      }),
    )
    heard.forget()
    try {
      yield { rows, indices: loaded, outputs }
    } finally {
      for (const tensor of rows) tensor.dispose()
    }
  }
}

/** Collects the inputs of a layer by a hook on a view of the model: the rows of each group, call by call. */
class HeardRows {
  readonly #layer: ShiftableLayer
  #calls: Tensor[][] = []

  constructor(view: ScriptModule, layer: ShiftableLayer, options: CaptureOptions) {
    const { windowsPerImage, windowSeed = 0 } = options
    const generator = new torch.Generator(windowSeed)
    this.#layer = layer
    view.registerForwardPreHook(layer.path, ({ inputs: [input] }) => {
      if (!(input instanceof Tensor)) {
        throw new SosError('ERR_NOT_LINEAR', `expected a tensor as the input of '${layer.path}'`)
      }
      this.#calls.push(rowsOf(input.detach(), layer, windowsPerImage, generator).map(keepTensor))
    })
  }

  /** A of each group, from all calls since the last {@link forget}. Throws if these cannot be the rows of so many images. */
  rows(images: number, output: Value): Tensor[] {
    expectRows(this.#calls, this.#layer, images, output)
    return this.#calls[0]!.map((_, group) => torch.cat(this.#calls.map((call) => call[group]!)))
  }

  forget(): void {
    for (const tensor of this.#calls.flat()) tensor.dispose()
    this.#calls = []
  }

  [Symbol.dispose](): void {
    this.forget()
  }
}

/**
 * Captures the inputs of a layer for the samples at `indices`, as {@link captureChunks} does, in one piece.
 *
 * @param model the model to run; it is not changed
 * @param layer the layer whose inputs are captured, as `shiftableLayer` returns it
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options how many images a forward takes, which windows, and where to run
 * @param look is called after each forward
 * @returns the rows of each group, and the samples that they come from
 * @throws what {@link captureChunks} throws, and `ERR_INDICES` if there are no samples
 * @example
 * const { rows } = await captureRows(model, linearLayer(model), train, [3, 1, 4])
 * console.log(rows[0]!.shape) // → [ 3, 256 ]
 */
export async function captureRows(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  indices: readonly number[],
  options: CaptureOptions = {},
  look?: Look,
): Promise<CapturedRows> {
  expectObject('layer', layer)
  expectObject('options', options)
  expectModule('model', model)
  expectDataset('dataset', dataset)
  return scope(async () => {
    const chunks: Tensor[][] = Array.from({ length: groupsOf(layer) }, () => [])
    const loaded: number[] = []
    let outputs: number | null = null
    for await (const part of captureChunks(model, layer, dataset, indices, options, look)) {
      part.rows.forEach((rows, group) => void chunks[group]!.push(rows.clone()))
      loaded.push(...part.indices)
      outputs = part.outputs
    }
    if (loaded.length === 0) {
      throw new SosError('ERR_INDICES', `expected samples of ${dataset.name} but received none`)
    }
    return { rows: chunks.map((parts) => torch.cat(parts)), indices: loaded, outputs }
  })
}

/**
 * Captures the inputs of a linear layer, as {@link captureRows} does.
 *
 * @param model the model to run; it is not changed
 * @param layer the layer whose inputs are captured, as `linearLayer` returns it
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options how many images a forward takes, and where to run
 * @param look is called after each forward
 * @returns A, [rows, m], on the CPU, in the dtype of the features. You dispose of it, or a `scope` does
 * @throws what {@link captureRows} throws
 * @example
 * const a = await captureInputs(model, linearLayer(model), train, [3, 1, 4])
 * console.log(a.shape) // → [ 3, 256 ]
 */
export async function captureInputs(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  indices: readonly number[],
  options: CaptureOptions = {},
  look?: Look,
): Promise<Tensor> {
  return (await captureRows(model, layer, dataset, indices, options, look)).rows[0]!
}

/**
 * Checks that the layer was called at least once and, if its output [rows, classes] is the model's, that there is one
 * row for each image.
 */
function expectRows(
  taken: readonly (readonly Tensor[])[],
  { path, outFeatures }: ShiftableLayer,
  images: number,
  output: Value,
): void {
  if (taken.length === 0) {
    throw new SosError('ERR_NOT_CALLED', `forward did not call '${path}', so there are no inputs to capture`)
  }
  const rows = taken[0]![0]!.shape[0]!
  const isHead =
    taken.length === 1 && output instanceof Tensor && String(output.shape) === String([rows, outFeatures])
  if (!isHead || rows === images) return
  throw new SosError(
    'ERR_OUTPUT_SHAPE',
    `expected a row of '${path}' for each of ${images} images but there were ${rows}: do the images have another size than the model needs?`,
  )
}

function outputsIn(output: unknown, { length }: readonly number[]): number | null {
  if (!(output instanceof Tensor) || output.ndim !== 2 || output.shape[0] !== length) return null
  return output.shape[1]!
}

function rowsOf(
  input: Tensor,
  layer: ShiftableLayer,
  windowsPerImage: number | undefined,
  generator: Generator,
): Tensor[] {
  return scope(() => {
    if (!isConvolution(layer)) {
      return [input.to({ device: 'cpu' }).reshape([-1, layer.inFeatures]).clone()]
    }
    const drawn =
      windowsPerImage === undefined
        ? {}
        : { positions: sampleWindows(input, layer.geometry, windowsPerImage, generator) }
    return Array.from({ length: groupsOf(layer) }, (_, group) =>
      convolutionRows(input, layer.geometry, { group, ...drawn }).to({ device: 'cpu', copy: true }),
    )
  })
}
