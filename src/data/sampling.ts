import { batchCount, expectObject, SosError, wholeSeed } from '../base/index.js'
import { torch } from '../torch/index.js'
import type { Generator } from '../torch/internal.js'
import { checkIndices, type Dataset, expectDataset } from './dataset.js'

/** How samples are drawn, see {@link SampleOptions}. */
export type Sampling = 'stratified' | 'uniform'

/** Options of {@link sampleIndices}. */
export interface SampleOptions {
  /** The number of samples to draw, without replacement. */
  size: number
  /** `stratified` draws from all classes as evenly as their sizes allow; `uniform` gives each sample the same probability. */
  sampling: Sampling
  /** A whole number. The same seed draws the same samples, and Python's `torch.randperm` draws the same permutations. */
  seed: number
}

/**
 * Draws samples of a dataset at random, without replacement.
 *
 * Stratified sampling puts the samples of each class in random order, and the classes too. Then it takes one sample from each class in turn.
 * So the numbers of samples of two classes differ by at most one while both classes have samples left.
 *
 * @param dataset the dataset
 * @param options the number of samples, how to draw them, and the seed
 * @returns the indices of the samples, in the order in which they were drawn
 * @throws `ERR_BATCH_SIZE` if `size` is not a whole number from 1 to the size of the dataset, `ERR_INVALID_ARGUMENT`
 * @example
 * const indices = sampleIndices(train, { size: 20, sampling: 'stratified', seed: 0 })
 * console.log(indices.length, classesCovered(train, indices)) // → 20 10
 */
export function sampleIndices(dataset: Dataset, options: SampleOptions): number[] {
  expectDataset('dataset', dataset)
  expectObject('options', options)
  const { size, sampling, seed } = options
  batchCount('size', size)
  wholeSeed('seed', seed)
  if (size > dataset.size) {
    throw new SosError(
      'ERR_BATCH_SIZE',
      `expected a batch of at most ${dataset.size} samples, which are all samples of ${dataset.name}, but received ${size}`,
    )
  }
  const generator = new torch.Generator(seed)
  const order = permutation(dataset.size, generator)
  if (sampling === 'uniform') return order.slice(0, size)

  const ofClass = new Map<number, number[]>()
  for (const index of order) {
    const label = dataset.labels[index]!
    const members = ofClass.get(label)
    if (members === undefined) ofClass.set(label, [index])
    else members.push(index)
  }
  const present = [...ofClass.keys()].sort((a, b) => a - b)
  const classes = permutation(present.length, generator).map((i) => ofClass.get(present[i]!)!)
  const chosen: number[] = []
  for (let turn = 0; chosen.length < size; turn++) {
    for (const members of classes) {
      if (turn < members.length && chosen.length < size) chosen.push(members[turn]!)
    }
  }
  return chosen
}

/**
 * Counts the classes of some samples.
 *
 * @param dataset the dataset
 * @param indices the samples
 * @returns how many classes have at least one of the samples
 * @throws `ERR_INDICES` if an index is not one of the dataset, `ERR_INVALID_ARGUMENT`
 * @example
 * console.log(classesCovered(train, [0, 1, 2]) <= 3) // → true
 */
export function classesCovered(dataset: Dataset, indices: readonly number[]): number {
  checkIndices(dataset, indices)
  return new Set(indices.map((index) => dataset.labels[index])).size
}

function permutation(size: number, generator: Generator): number[] {
  using drawn = torch.randperm(size, { generator })
  return Array.from(drawn.toTypedArray() as BigInt64Array, Number)
}
