import { checkNumbers, count, whole } from '../base/index.js'
import { type Tensor, torch } from '../torch/index.js'
import type { Generator } from '../torch/internal.js'

/**
 * Random numbers for the images of a batch, one for each image. They are drawn on the CPU for the whole batch, also if this process has only
 * a part of it. So the number of an image depends only on the seed and on its place in the batch, not on the device or the number of
 * processes.
 */
export class Draws {
  readonly #generator: Generator
  readonly #whole: number
  readonly #first: number
  readonly #count: number
  readonly #device: string

  /**
   * @param seed a whole number
   * @param device the device of the random numbers
   * @param images the number of images in the batch
   * @param part the part of this process: `count` images from the image `first` on. Default: the whole batch
   * @throws `ERR_INVALID_ARGUMENT`
   */
  constructor(
    seed: number,
    device: string,
    images: number,
    part: { first: number; count: number } = { first: 0, count: images },
  ) {
    checkNumbers({ whole: images, ...part }, { whole: count, first: whole(0), count: whole(0) })
    whole(0, images - part.count)('first', part.first)
    this.#generator = new torch.Generator(seed)
    this.#device = device
    this.#whole = images
    this.#first = part.first
    this.#count = part.count
  }

  /** Random numbers that are uniform in [0, 1), float32 [n] on the device. */
  uniform(): Tensor {
    return this.#part(torch.rand([this.#whole], { generator: this.#generator }))
  }

  /** Random whole numbers from 0 to `below` − 1, each equally likely, int64 [n] on the device. */
  integers(below: number): Tensor {
    count('below', below)
    return this.#part(torch.randint(0, below, [this.#whole], { generator: this.#generator, dtype: 'int64' }))
  }

  #part(drawn: Tensor): Tensor {
    return drawn.narrow(0, this.#first, this.#count).to({ device: this.#device })
  }
}
