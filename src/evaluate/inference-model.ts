import { scope } from '../torch/scope.js'
import type { ScriptModule } from '../torch/script-module.js'
import { Tensor } from '../torch/tensor.js'
import type { Value } from '../torch/values.js'

/** Images of the first batch on which the fast copy is held against the model. */
const probes = 4

/**
 * How far the logits of those may be apart, relative to the largest: above what float32 loses in another order of its sums
 * (some 1e-5 in ResNets), far below what would change an accuracy.
 */
const tolerance = 1e-3

/**
 * A model for forwards alone. On the CPU it runs a frozen copy with the processor's fused kernels, elsewhere a frozen copy;
 * one with convolutions lies in channels_last before, as do its images. The copy has the weights of the moment at which it
 * is made. Where there can be none (in train mode; hooked, for a copy has no hooks; what libtorch cannot freeze), or its
 * first logits are not the model's, the model itself runs.
 */
export class InferenceModel {
  readonly #model: ScriptModule
  readonly #channelsLast: boolean
  #copy: ScriptModule | null
  #checked = false

  private constructor(model: ScriptModule, copy: ScriptModule | null, channelsLast: boolean) {
    this.#model = model
    this.#copy = copy
    this.#channelsLast = channelsLast
  }

  /** @param device where the model is and its images will be */
  static async of(model: ScriptModule, device: string): Promise<InferenceModel> {
    if (model.training || model.hooked) return InferenceModel.asItIs(model)
    const channelsLast = scope(() => model.parameters().some(({ shape }) => shape.length === 4))
    const copy = await optimized(model, device, channelsLast).catch(() => null)
    return new InferenceModel(model, copy, channelsLast && copy !== null)
  }

  static asItIs(model: ScriptModule): InferenceModel {
    return new InferenceModel(model, null, false)
  }

  /** Whether the fast copy runs. */
  get optimized(): boolean {
    return this.#copy !== null
  }

  async forward(images: Tensor): Promise<Value> {
    if (this.#copy === null) return this.#model.forward<Value>(images)
    if (!this.#checked) return this.#firstForward(images)
    return this.#copy.forward<Value>(this.#placed(images))
  }

  dispose(): void {
    this.#copy?.dispose()
    this.#copy = null
  }

  async #firstForward(images: Tensor): Promise<Value> {
    const output = await this.#copy!.forward<Value>(this.#placed(images)).catch(() => null)
    this.#checked = true
    if (await this.#agrees(output, images).catch(() => false)) return output
    this.dispose()
    return this.#model.forward<Value>(images)
  }

  async #agrees(output: Value, images: Tensor): Promise<boolean> {
    const some = Math.min(probes, images.shape[0]!)
    const expected = await this.#model.forward<Value>(images.narrow(0, 0, some))
    if (!(output instanceof Tensor && expected instanceof Tensor)) return false
    const difference = output.narrow(0, 0, some).sub(expected).abs().max().item()
    return difference <= tolerance * expected.abs().max().item()
  }

  #placed(images: Tensor): Tensor {
    return this.#channelsLast ? images.contiguous({ memory_format: 'channels_last' }) : images
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
