import {
  type DType,
  keepTensor,
  type ScriptModule,
  scope,
  Tensor,
  torch,
  type Value,
} from '../torch/index.js'
import { isFloating, kernelTolerance } from '../torch/internal.js'
import { inputDtype } from './input-dtype.js'
import { warnIfRandom } from './randomness.js'

type Select = (output: Value) => Value

const whole: Select = (output) => output

/** The number of images of the first batch on which the fast copy is compared with the model. */
const probes = 4

/**
 * The number of pixels that one forward on the CPU takes for each thread: four images of 224 × 224. A layer's
 * activations then stay in the processor's caches.
 */
const pixelsPerThread = 4 * 224 * 224

/**
 * A model for forwards alone, in eval mode, with the weights that it has when this is made: later changes of the
 * model's weights have no effect on it. On the CPU it runs a frozen copy with the processor's fused kernels, on some of
 * a batch's images at a time. On other devices it runs a frozen copy. A model with convolutions is converted to
 * channels_last first, and so are its images.
 *
 * If libtorch cannot make the copy or run it, or if the copy's first logits differ from the model's, a plain copy runs
 * instead, and the process warning `SOS_NOT_OPTIMIZED` says why. A hooked model runs itself, since a copy has no hooks.
 * It is then held as it is until this is disposed of.
 */
export class InferenceModel {
  /** The model that runs if there is no fast copy. In the first forward, the fast copy is compared with it. */
  readonly #model: ScriptModule
  readonly #channelsLast: boolean
  readonly #device: string
  /** The dtype in which the model takes its images; null for any. */
  readonly #dtype: DType | null
  #copy: ScriptModule | null
  readonly #select: Select
  /** The model that this was made of. */
  readonly #source: ScriptModule
  #checked = false

  private constructor(
    source: ScriptModule,
    model: ScriptModule,
    copy: ScriptModule | null,
    device: string,
    channelsLast: boolean,
    select: Select,
  ) {
    this.#source = source
    this.#model = model
    this.#copy = copy
    this.#dtype = inputDtype(model)
    this.#device = device
    this.#channelsLast = channelsLast
    this.#select = select
  }

  /**
   * Makes an inference model.
   *
   * @param select picks what is wanted from the model's output, with a row for each image; whatever it throws, a
   *   forward throws
   * @throws `ERR_BUSY` if the model is in train mode and calls of it are pending
   */
  static async of(model: ScriptModule, select: Select = whole): Promise<InferenceModel> {
    const held = model.view({ eval: true })
    const plain = held.hooked ? held : await plainCopy(held)
    if (plain === held) return new InferenceModel(model, held, null, 'cpu', false, select)
    held.dispose()
    const { device } = plain
    const channelsLast = scope(() => plain.parameters().some(({ shape }) => shape.length === 4))
    try {
      const copy = await optimized(plain, device, channelsLast)
      return new InferenceModel(model, plain, copy, device, channelsLast, select)
    } catch (error) {
      warnOfSlowness(plain, error as Error)
      return new InferenceModel(model, plain, null, device, false, select)
    }
  }

  /** The model itself, held in eval mode until this is disposed of. */
  static asItIs(model: ScriptModule, select: Select = whole): InferenceModel {
    return new InferenceModel(model, model.view({ eval: true }), null, 'cpu', false, select)
  }

  /** Whether the fast copy runs. */
  get optimized(): boolean {
    return this.#copy !== null
  }

  /** @param images in any floating-point dtype: they are converted to the model's */
  async forward(images: Tensor): Promise<Value> {
    if (this.#dtype !== null && images.dtype !== this.#dtype && isFloating(images.dtype)) {
      return scope(() => this.#forward(images.to(this.#dtype!)))
    }
    return this.#forward(images)
  }

  async #forward(images: Tensor): Promise<Value> {
    if (this.#copy === null) return this.#select(await this.#model.forward<Value>(images))
    if (!this.#checked) return this.#firstForward(images)
    return this.#forwardCopy(this.#copy, images)
  }

  dispose(): void {
    this.#disposeCopy()
    this.#model.dispose()
  }

  #disposeCopy(): void {
    this.#copy?.dispose()
    this.#copy = null
  }

  async #firstForward(images: Tensor): Promise<Value> {
    this.#checked = true
    try {
      const output = await this.#forwardCopy(this.#copy!, images)
      if (await this.#agrees(output, images)) {
        this.#model.dispose()
        return output
      }
      throw new Error('its first logits are not those of the model')
    } catch (error) {
      this.#disposeCopy()
      const output = this.#select(await this.#model.forward<Value>(images)) // throws what is wrong with the model or its images
      if ((await warnIfRandom(this.#source, images)) === null) warnOfSlowness(this.#model, error as Error)
      return output
    }
  }

  async #agrees(output: Value, images: Tensor): Promise<boolean> {
    const some = Math.min(probes, images.shape[0]!)
    const expected = this.#select(await this.#model.forward<Value>(images.narrow(0, 0, some)))
    if (!(output instanceof Tensor && expected instanceof Tensor)) return false
    return agree(output.narrow(0, 0, some), expected, this.#dtype ?? expected.dtype)
  }

  async #forwardCopy(copy: ScriptModule, images: Tensor): Promise<Value> {
    const most = this.#device === 'cpu' ? imagesAtATime(images) : images.shape[0]!
    const parts = Math.ceil(images.shape[0]! / most)
    if (parts <= 1) return this.#select(await copy.forward<Value>(this.#placed(images)))
    return scope(async () => {
      const outputs: Tensor[] = []
      for (const part of images.chunk(parts)) {
        await scope(async () => {
          outputs.push(keepTensor(this.#select(await copy.forward<Value>(this.#placed(part))) as Tensor))
        })
      }
      return torch.cat(outputs)
    })
  }

  #placed(images: Tensor): Tensor {
    return this.#channelsLast ? images.contiguous({ memory_format: 'channels_last' }) : images
  }
}

/** NaN and infinities count as equal if both have them. */
function agree(output: Tensor, expected: Tensor, model: DType): boolean {
  const same = output.eq(expected).logical_or(output.isnan().logical_and(expected.isnan()))
  const difference = output.to('float64').sub(expected).masked_fill(same, 0).abs().max().item()
  const tolerance = Math.max(kernelTolerance(expected.dtype), kernelTolerance(model))
  return difference <= tolerance * expected.to('float64').nan_to_num(0, 0, 0).abs().max().item()
}

/**
 * How many images one forward takes. There are more than the probes; otherwise a model in which the images of a batch
 * influence each other would not be recognised.
 */
function imagesAtATime({ shape }: Tensor): number {
  const [height = 1, width = 1] = shape.slice(-2)
  return Math.max(2 * probes, Math.floor((torch.getNumThreads() * pixelsPerThread) / (height * width)))
}

function warnOfSlowness({ path }: ScriptModule, { message }: Error): void {
  process.emitWarning(`${path} runs as it is, slower than a frozen, optimised copy: ${message}`, {
    code: 'SOS_NOT_OPTIMIZED',
  })
}

/** Returns the view itself if libtorch cannot copy it. */
async function plainCopy(held: ScriptModule): Promise<ScriptModule> {
  try {
    return await held.clone()
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_TORCH') {
      held.dispose()
      throw error
    }
    warnOfSlowness(held, error as Error)
    return held
  }
}

async function optimized(model: ScriptModule, device: string, channelsLast: boolean): Promise<ScriptModule> {
  if (!channelsLast) return device === 'cpu' ? model.optimizeForInference() : model.freeze()
  const clone = await model.clone() // for to() would move the weights of the model itself
  try {
    await clone.to({ memoryFormat: 'channels_last' })
    return await (device === 'cpu' ? clone.optimizeForInference() : clone.freeze())
  } finally {
    clone.dispose()
  }
}
