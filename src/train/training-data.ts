import {
  checkNumbers,
  count,
  type NumberChecks,
  nonNegative,
  SosError,
  whole,
  wholeSeed,
} from '../base/index.js'
import { type Augmentation, type Dataset, Draws } from '../data/index.js'
import { loadPixels, loadSamples, readAhead, toPlacement } from '../data/internal.js'
import { type DType, keepTensor, scope, type Tensor, torch } from '../torch/index.js'
import type { Mixup } from './mixup.js'
import { PixelScaling } from './pixel-scaling.js'
import { seedAt } from './seeds.js'

/** How a dataset becomes batches to train on. */
export interface TrainingDataOptions {
  /** The number of images in a step, of all processes together. */
  batchSize: number
  /** The seed of the order, the augmentation and the mixup. Default: 0. */
  seed?: number
  /** The device of the batches, which must be that of the model. Default: in a trainer the device of its model, else cpu. */
  device?: string
  /** The augmentations of the images, in this order. Default: none. */
  augment?: readonly Augmentation[]
  /** Mixes the images of each batch, see `mixup`. Default: no mixing. */
  mixup?: Mixup
  /** Whether to leave out the last images of an epoch if they do not fill a batch. Default: false, as in PyTorch. */
  dropLast?: boolean
  /** The floating-point dtype of the images. Default: in a trainer the dtype that its model takes, else that of the dataset (float32). */
  dtype?: DType | null
  /** Whether the images are in the memory format channels_last, for convolutions. Default: false. */
  channelsLast?: boolean
  /** A dataset whose pixels take at most this many bytes is kept on the device. Default: 2 GiB. */
  residentBytes?: number
  /** The number of this process and the number of processes: each takes its part of every batch. Default: one process. */
  shard?: { readonly rank: number; readonly size: number }
}

/** The checks of the numbers in {@link TrainingDataOptions}. */
export const trainingDataNumbers: NumberChecks<TrainingDataOptions> = {
  batchSize: count,
  seed: wholeSeed,
  residentBytes: nonNegative,
}

type Resolved = Required<Omit<TrainingDataOptions, 'mixup'>> & Pick<TrainingDataOptions, 'mixup'>

/** The images of one step. They are freed when the next batch is asked for. */
export interface TrainingBatch {
  /** The number of the batch in the epoch, counted from 0. */
  readonly number: number
  /** [n, C, H, W] on the device. */
  readonly images: Tensor
  /** int64 [n], the labels; with mixup [n, classes] in the dtype of the images, the share of each class. */
  readonly targets: Tensor
  /** The number of images in the step, of all processes together. */
  readonly whole: number
}

/**
 * A dataset as batches to train on. Each epoch draws a new order. A small dataset is kept on the device as uint8, where whole batches are
 * augmented at once. For a large dataset, the next batch is loaded while the caller works on the current one. What is drawn depends
 * only on the seed, the epoch and the batch, so an epoch can begin at any of its batches.
 */
export class TrainingData {
  readonly dataset: Dataset
  readonly batchesPerEpoch: number
  readonly #options: Resolved
  /** uint8 [N, C, H, W] on the device. */
  #resident: Tensor | null
  /** int64 [N] on the device. */
  readonly #labels: Tensor
  /** Null if the dataset has no pixels: its images are scaled already. */
  readonly #scaling: PixelScaling | null

  private constructor(dataset: Dataset, options: Resolved, resident: Tensor | null) {
    this.dataset = dataset
    this.#options = options
    const { batchSize, dropLast, device, shard } = this.#options
    const rest = dataset.size % batchSize
    // Each process needs an image in each step: without one it would miss the exchange of gradients.
    const last = !dropLast && rest > 0 && rest >= shard.size ? 1 : 0
    this.batchesPerEpoch = Math.floor(dataset.size / batchSize) + last
    this.#resident = resident
    this.#labels = keepTensor(torch.tensor(dataset.labels, { dtype: 'int64', device }))
    this.#scaling =
      dataset.pixels === undefined ? null : new PixelScaling(dataset.pixels, layoutOf(this.#options))
  }

  /**
   * @throws `ERR_BATCH_SIZE` if an epoch would have no batch, `ERR_DATASET` if the dataset cannot be augmented, `ERR_INVALID_ARGUMENT`
   */
  static async open(dataset: Dataset, options: TrainingDataOptions): Promise<TrainingData> {
    const given = Object.entries(options).filter(([, value]) => value !== undefined)
    const resolved: Resolved = { ...defaults, ...(Object.fromEntries(given) as typeof options) }
    const { batchSize, augment, dropLast, shard } = resolved
    whole(1)('shard.size', shard.size)
    whole(0, shard.size - 1)('shard.rank', shard.rank)
    checkNumbers(resolved, trainingDataNumbers)
    whole(shard.size)(shard.size > 1 ? 'batchSize, of all processes together,' : 'batchSize', batchSize)
    const least = dropLast ? batchSize : shard.size
    if (dataset.size < least) {
      throw new SosError(
        'ERR_BATCH_SIZE',
        `expected a batch of at most ${dataset.size} samples, which are all samples of ${dataset.name}, but received ${least}${dropLast ? ': with dropLast an epoch would have no batch, so choose a smaller batchSize, or leave dropLast out' : ''}`,
      )
    }
    if (augment.length > 0 && dataset.pixels === undefined) {
      throw new SosError(
        'ERR_DATASET',
        `${dataset.name}: expected a dataset with pixels to augment but this dataset has only preprocessed images: leave out \`augment\``,
      )
    }
    const resident = await loadResident(dataset, resolved)
    return new TrainingData(dataset, resolved, resident)
  }

  /** The batches of an epoch, beginning with batch `first`. */
  epoch(epoch: number, first = 0): AsyncGenerator<TrainingBatch> {
    const order = this.#order(epoch)
    return readAhead({
      first,
      begin: (number) => (number < this.batchesPerEpoch ? this.#batch(order, epoch, number) : null),
      free: ({ images, targets }) => {
        images.dispose()
        targets.dispose()
      },
      // Work on a dataset in the CPU's memory takes the same processors as the step: nothing is gained by doing both at once.
      ahead: this.#resident === null || this.#options.device !== 'cpu',
    })
  }

  dispose(): void {
    this.#resident?.dispose()
    this.#resident = null
    this.#labels.dispose()
    this.#scaling?.dispose()
  }

  /** The samples of an epoch in the order in which they are drawn. */
  #order(epoch: number): BigInt64Array {
    const generator = new torch.Generator(seedAt(this.#options.seed, 'order', epoch))
    using drawn = torch.randperm(this.dataset.size, { generator })
    return drawn.toTypedArray() as BigInt64Array
  }

  async #batch(order: BigInt64Array, epoch: number, number: number): Promise<TrainingBatch> {
    const { batchSize, shard } = this.#options
    const start = number * batchSize
    const whole = Math.min(batchSize, order.length - start)
    const from = Math.floor((whole * shard.rank) / shard.size)
    const count = Math.floor((whole * (shard.rank + 1)) / shard.size) - from
    const samples = order.subarray(start + from, start + from + count)
    const part = { whole, first: from, count }
    const loaded = await (this.#resident === null ? this.#load(samples) : afterTheCaller())
    try {
      return scope(() => {
        const { images, places } = loaded ?? this.#select(this.#resident!, samples)
        const labels = this.#labels.index_select(0, places)
        const batch = this.#mixed(this.#finish(images, epoch, number, part), labels, epoch, number)
        return {
          number,
          whole,
          images: keepTensor(toPlacement(batch.images, this.#options)),
          targets: keepTensor(batch.targets),
        }
      })
    } finally {
      for (const tensor of Object.values(loaded ?? {})) tensor.dispose()
    }
  }

  #select(resident: Tensor, samples: BigInt64Array) {
    const { device, channelsLast } = this.#options
    const places = torch.tensor(samples, { dtype: 'int64', device })
    // index_select returns contiguous tensors: to keep channels_last, select where the channels are the last dimension.
    const images = channelsLast
      ? resident.permute([0, 2, 3, 1]).index_select(0, places).permute([0, 3, 1, 2])
      : resident.index_select(0, places)
    return { images, places }
  }

  async #load(samples: BigInt64Array): Promise<{ images: Tensor; places: Tensor }> {
    const { device } = this.#options
    const { name, pixels } = this.dataset
    const asked = Array.from(samples, Number)
    const { images, indices } = await (pixels
      ? loadPixels({ name, pixels }, asked)
      : loadSamples(this.dataset, asked))
    if (indices.length === 0) {
      throw new SosError(
        'ERR_DATASET',
        `${name}: expected images but all ${samples.length} of a batch are corrupt`,
      )
    }
    return {
      images: device === 'cpu' ? images : images.to({ device }),
      places: torch.tensor([...indices], { dtype: 'int64', device }),
    }
  }

  /** Augments pixels and scales them. Images that are scaled already only get the memory format. */
  #finish(
    images: Tensor,
    epoch: number,
    number: number,
    { whole, ...part }: { whole: number; first: number; count: number },
  ): Tensor {
    const { seed, device, augment } = this.#options
    if (this.#scaling === null) return images.clone({ memory_format: layoutOf(this.#options) })
    const draws = new Draws(seedAt(seed, 'augmentation', epoch, number), device, whole, part)
    return this.#scaling.apply(augment.reduce((bytes, { apply }) => apply(bytes, draws), images))
  }

  #mixed(images: Tensor, labels: Tensor, epoch: number, number: number) {
    const { mixup, seed } = this.#options
    if (mixup === undefined) return { images, targets: labels }
    const generator = new torch.Generator(seedAt(seed, 'mixup', epoch, number))
    return mixup.apply(images, labels, this.dataset.classes.length, generator)
  }
}

const defaults = {
  seed: 0,
  device: 'cpu',
  augment: [],
  dropLast: false,
  dtype: null,
  channelsLast: false,
  residentBytes: 2 ** 31,
  shard: { rank: 0, size: 1 },
} as const

/** Waits until the caller has begun its own work, so that the next batch is prepared at the same time. */
function afterTheCaller(): Promise<null> {
  return new Promise((resolve) => setImmediate(resolve, null))
}

function layoutOf({ channelsLast }: Pick<Resolved, 'channelsLast'>): 'channels_last' | 'contiguous_format' {
  return channelsLast ? 'channels_last' : 'contiguous_format'
}

/** All pixels on the device, uint8 [N, C, H, W]; null if they take too much memory or the dataset has no pixels. */
async function loadResident(
  { name, pixels, size }: Dataset,
  { residentBytes, device, ...layout }: Resolved,
): Promise<Tensor | null> {
  if (pixels === undefined) return null
  using one = (await loadPixels({ name, pixels }, [0])).images
  const bytes = one.shape.reduce((a, b) => a * b, 1)
  if (bytes === 0 || bytes * size > residentBytes) return null
  return scope(async () => {
    const shape = [size, ...one.shape.slice(1)]
    const all = torch.empty(shape, { dtype: 'uint8', device, memory_format: layoutOf(layout) })
    const step = 1024
    for (let start = 0; start < size; start += step) {
      const count = Math.min(step, size - start)
      const asked = Array.from({ length: count }, (_, i) => start + i)
      const { images, skipped } = await loadPixels({ name, pixels }, asked)
      if (skipped.length > 0) return null
      all.narrow(0, start, count).copy_(images)
      images.dispose()
    }
    return keepTensor(all)
  })
}
