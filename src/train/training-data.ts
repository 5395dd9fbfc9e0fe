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
import { placed, readAhead } from '../data/internal.js'
import { type DType, keepTensor, scope, type Tensor, torch } from '../torch/index.js'
import type { Mixup } from './mixup.js'
import { PixelScaling } from './pixel-scaling.js'
import { seedAt } from './seeds.js'

export interface TrainingDataOptions {
  /** Images in a step, of all processes together. */
  batchSize: number
  /** Default: 0. */
  seed?: number
  /** Where the batches go: where the model is. Default: of a trainer its model's device, else cpu. */
  device?: string
  /** Done to the images in this order. Default: none. */
  augment?: readonly Augmentation[]
  /** Default: none. */
  mixup?: Mixup
  /** Leave out the images of an epoch that fill no batch. Default: false, as in PyTorch. */
  dropLast?: boolean
  /** The floating-point dtype of the images. Default: as they come, float32; of a trainer as its model takes them. */
  dtype?: DType | null
  /** Lay images out for convolutions in channels_last. Default: false. */
  channelsLast?: boolean
  /** A dataset whose pixels take no more bytes is kept on the device. Default: 2 GiB. */
  residentBytes?: number
  /** Of several processes: this one takes its part of each batch. Default: one. */
  shard?: { readonly rank: number; readonly size: number }
}

/** Of the numbers in {@link TrainingDataOptions}. */
export const trainingDataNumbers: NumberChecks<TrainingDataOptions> = {
  batchSize: count,
  seed: wholeSeed,
  residentBytes: nonNegative,
}

type Resolved = Required<Omit<TrainingDataOptions, 'mixup'>> & Pick<TrainingDataOptions, 'mixup'>

/** A step's images. They are freed when the next batch is asked for. */
export interface TrainingBatch {
  /** In the epoch, from 0. */
  readonly number: number
  /** [n, C, H, W] on the device */
  readonly images: Tensor
  /** int64 [n], or with mixup float32 [n, classes]: the share of each class */
  readonly targets: Tensor
  /** Images in the step, of all processes together. */
  readonly whole: number
}

/**
 * A dataset as batches to train on, in an order that each epoch draws anew. A small dataset lies on the device as uint8, where
 * whole batches are augmented; of a large one the next batch is loaded while the caller works on this one. What is drawn
 * depends on the seed, the epoch and the batch alone: any epoch can be gone through from any batch on.
 */
export class TrainingData {
  readonly dataset: Dataset
  readonly batchesPerEpoch: number
  readonly #options: Resolved
  /** uint8 [N, C, H, W] on the device. */
  #resident: Tensor | null
  /** int64 [N] on the device. */
  readonly #labels: Tensor
  /** null where the dataset gives what is scaled already. */
  readonly #scaling: PixelScaling | null

  private constructor(dataset: Dataset, options: Resolved, resident: Tensor | null) {
    this.dataset = dataset
    this.#options = options
    const { batchSize, dropLast, device, shard } = this.#options
    const rest = dataset.size % batchSize
    // In a step each process needs an image: without one it would miss the others' exchange of gradients.
    const last = !dropLast && rest > 0 && rest >= shard.size ? 1 : 0
    this.batchesPerEpoch = Math.floor(dataset.size / batchSize) + last
    this.#resident = resident
    this.#labels = keepTensor(torch.tensor(dataset.labels, { dtype: 'int64', device }))
    this.#scaling =
      dataset.pixels === undefined ? null : new PixelScaling(dataset.pixels, layoutOf(this.#options))
  }

  /**
   * @throws `ERR_BATCH_SIZE` where an epoch would have no batch, `ERR_DATASET` where the dataset cannot be augmented
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
        `expected a batch of at most ${dataset.size} samples, all that ${dataset.name} has, but received ${least}`,
      )
    }
    if (augment.length > 0 && dataset.pixels === undefined) {
      throw new SosError(
        'ERR_DATASET',
        `${dataset.name}: expected a dataset that gives its pixels, to augment them, but this one gives preprocessed images alone`,
      )
    }
    const resident = await loadResident(dataset, resolved)
    return new TrainingData(dataset, resolved, resident)
  }

  /** Goes through an epoch's batches, from batch `first` on. */
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

  /** The samples of an epoch in their order, int64 on the CPU. */
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
          images: keepTensor(placed(batch.images, this.#options)),
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
    // index_select gives what is contiguous: the images keep their layout where their pixels come first.
    const images = channelsLast
      ? resident.permute([0, 2, 3, 1]).index_select(0, places).permute([0, 3, 1, 2])
      : resident.index_select(0, places)
    return { images, places }
  }

  async #load(samples: BigInt64Array): Promise<{ images: Tensor; places: Tensor }> {
    const { device } = this.#options
    const source = this.dataset.pixels ?? this.dataset
    const { images, indices } = await source.load(Array.from(samples, Number))
    if (indices.length === 0) {
      throw new SosError(
        'ERR_DATASET',
        `${this.dataset.name}: all ${samples.length} images of a batch are corrupt`,
      )
    }
    return {
      images: device === 'cpu' ? images : images.to({ device }),
      places: torch.tensor([...indices], { dtype: 'int64', device }),
    }
  }

  /** Augments bytes and scales them; images that came scaled are laid out alone. */
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

/** Until the caller has set its own work going: then the next batch is prepared beside it. */
function afterTheCaller(): Promise<null> {
  return new Promise((resolve) => setImmediate(resolve, null))
}

function layoutOf({ channelsLast }: Pick<Resolved, 'channelsLast'>): 'channels_last' | 'contiguous_format' {
  return channelsLast ? 'channels_last' : 'contiguous_format'
}

/** All pixels on the device, uint8 [N, C, H, W]; null where they are too many or the dataset does not give them. */
async function loadResident(
  { pixels, size }: Dataset,
  { residentBytes, device, ...layout }: Resolved,
): Promise<Tensor | null> {
  if (pixels === undefined) return null
  using one = (await pixels.load([0])).images
  const bytes = one.shape.reduce((a, b) => a * b, 1)
  if (bytes === 0 || bytes * size > residentBytes) return null
  return scope(async () => {
    const shape = [size, ...one.shape.slice(1)]
    const all = torch.empty(shape, { dtype: 'uint8', device, memory_format: layoutOf(layout) })
    const step = 1024
    for (let start = 0; start < size; start += step) {
      const count = Math.min(step, size - start)
      const { images, skipped } = await pixels.load(Array.from({ length: count }, (_, i) => start + i))
      if (skipped.length > 0) return null
      all.narrow(0, start, count).copy_(images)
      images.dispose()
    }
    return keepTensor(all)
  })
}
