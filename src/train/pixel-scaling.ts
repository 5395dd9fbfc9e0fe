import { keepTensor, scope, type Tensor, torch } from '../torch/index.js'

/**
 * Turns pixels into the values that a model is trained on: (byte / 255 − mean) / std in each channel, computed as byte · factor − offset.
 *
 * Factor and offset are kept in the size and the memory layout of an image. One number for each channel, broadcast over the pixels,
 * would take several times as long if the channels are last in memory.
 */
export class PixelScaling {
  readonly #mean: readonly number[]
  readonly #std: readonly number[]
  readonly #memoryFormat: 'channels_last' | 'contiguous_format'
  /** Both are float32 [1, C, H, W], on the device of the latest images. */
  #scale: { factor: Tensor; offset: Tensor } | null = null

  constructor(
    { mean, std }: { mean: readonly number[]; std: readonly number[] },
    memoryFormat: 'channels_last' | 'contiguous_format',
  ) {
    this.#mean = mean
    this.#std = std
    this.#memoryFormat = memoryFormat
  }

  /** uint8 [n, C, H, W] → float32 [n, C, H, W] */
  apply(pixels: Tensor): Tensor {
    const values = pixels.to({ dtype: 'float32', memory_format: this.#memoryFormat, copy: true })
    const { factor, offset } = this.#scaleOf(values)
    return values.mul_(factor).sub_(offset)
  }

  dispose(): void {
    this.#scale?.factor.dispose()
    this.#scale?.offset.dispose()
    this.#scale = null
  }

  #scaleOf({ shape, device }: Tensor) {
    const size = shape.slice(1)
    if (this.#scale !== null && size.every((n, i) => n === this.#scale!.factor.shape[i + 1]))
      return this.#scale
    this.dispose() // an augmentation gave images of another size
    const perChannel = (values: number[]) =>
      scope(() => {
        const channels = torch.tensor(values, { dtype: 'float32', device }).view([1, -1, 1, 1])
        return keepTensor(channels.expand([1, ...size]).contiguous({ memory_format: this.#memoryFormat }))
      })
    this.#scale = {
      factor: perChannel(this.#std.map((std) => 1 / (255 * std))),
      offset: perChannel(this.#mean.map((mean, i) => mean / this.#std[i]!)),
    }
    return this.#scale
  }
}
