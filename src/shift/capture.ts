import { checkNumbers, count, expectObject, type NumberChecks, SosError, wholeSeed } from '../base/index.js'
import type { Dataset, RunOptions } from '../data/index.js'
import { checkIndices, expectDataset } from '../data/internal.js'
import type { OutputOptions } from '../model/index.js'
import { expectFinite, onImages, outputOf, pass } from '../model/internal.js'
import { keepTensor, type ScriptModule, scope, Tensor, torch, type Value } from '../torch/index.js'
import { expectModule, type Generator } from '../torch/internal.js'
import { convolutionRows, sampleWindows } from './layer/convolution-rows.js'
import { groupsOf, isConvolution, type ShiftableLayer } from './layer/layer.js'

export interface CaptureOptions extends RunOptions, OutputOptions {
  /** Images in one forward. Default: 64. */
  chunk?: number
  /** Of a convolution: windows drawn from each image, without replacement. Default: all. */
  windowsPerImage?: number
  /** Of the windows drawn. Default: 0. */
  windowSeed?: number
}

/** Of the numbers in {@link CaptureOptions}. */
export const captureNumbers: NumberChecks<CaptureOptions> = {
  chunk: count,
  windowsPerImage: count,
  windowSeed: wholeSeed,
}

export interface CapturedRows {
  /** A of each group, [rows, m], on the CPU in the dtype of the features; a linear layer is one group. */
  readonly rows: readonly Tensor[]
  /** The samples that they are of, less those that the dataset skipped. */
  readonly indices: readonly number[]
  /** How many outputs the model has for an image; null where it does not return [images, outputs]. */
  readonly outputs: number | null
}

/** Told each forward: the model's output, or the item of it that is meant, the rows of each group, and the number of images. Tensors are freed after it. */
export type Look = (output: Value, rows: readonly Tensor[], images: number) => void

/**
 * The inputs of a layer for the samples at `indices`, taken by a forward pre-hook in eval mode, chunk by chunk: the paper's
 * A. A layer that is called several times in a forward, or on more than one position of an image, gives a row for each; a
 * convolution one for each window. A chunk is freed when the next is asked for.
 *
 * @throws `ERR_NOT_CALLED` where a forward does not call the layer, `ERR_NOT_LINEAR` where it takes no tensor,
 *   `ERR_NOT_FINITE` where it takes NaN or infinity, `ERR_OUTPUT_SHAPE` where its output is the model's and has not one row for
 *   each image, or `output` means no item of the model's output
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
  using held = model.view({ eval: true }) // the hook hears no calls but those of this view
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

/** The inputs of a layer, as a hook on a view of the model hears them: the rows of each group, call by call. */
class HeardRows {
  readonly #layer: ShiftableLayer
  #calls: Tensor[][] = []

  constructor(view: ScriptModule, layer: ShiftableLayer, options: CaptureOptions) {
    const { windowsPerImage, windowSeed = 0 } = options
    const generator = new torch.Generator(windowSeed)
    this.#layer = layer
    view.registerForwardPreHook(layer.path, ({ inputs: [input] }) => {
      if (!(input instanceof Tensor)) {
        throw new SosError('ERR_NOT_LINEAR', `expected a tensor as input of '${layer.path}'`)
      }
      this.#calls.push(rowsOf(input.detach(), layer, windowsPerImage, generator).map(keepTensor))
    })
  }

  /** A of each group, of all calls since the last {@link forget}; refuses what cannot be the rows of this many images. */
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

/** {@link captureChunks} in one piece. */
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

/** The inputs of a linear layer, [rows, m], as {@link captureRows} takes them. */
export async function captureInputs(...args: Parameters<typeof captureRows>): Promise<Tensor> {
  return (await captureRows(...args)).rows[0]!
}

/**
 * One forward calls the layer at least once. Where the layer's output is the model's, [rows, classes], an image has one row.
 */
function expectRows(
  taken: readonly (readonly Tensor[])[],
  { path, outFeatures }: ShiftableLayer,
  images: number,
  output: Value,
): void {
  if (taken.length === 0) {
    throw new SosError('ERR_NOT_CALLED', `'${path}' was not called by forward: there are no inputs to take`)
  }
  const rows = taken[0]![0]!.shape[0]!
  const isHead =
    taken.length === 1 && output instanceof Tensor && String(output.shape) === String([rows, outFeatures])
  if (!isHead || rows === images) return
  throw new SosError(
    'ERR_OUTPUT_SHAPE',
    `expected a row of '${path}' for each of ${images} images but there were ${rows}: are the images of another size than the model is for?`,
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
