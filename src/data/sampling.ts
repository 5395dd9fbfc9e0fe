import { batchCount, expectObject, SosError, wholeSeed } from '../base/index.js'
import { torch } from '../torch/index.js'
import type { Generator } from '../torch/internal.js'
import { checkIndices, type Dataset, expectDataset } from './dataset.js'

export type Sampling = 'stratified' | 'uniform'

export interface SampleOptions {
  /** How many samples to draw, without replacement. */
  size: number
  /** `stratified` takes as evenly from all classes as their sizes allow; `uniform` takes every sample alike. */
  sampling: Sampling
  /** A whole number; the same seed draws the same samples, in Python's `torch.randperm` too. */
  seed: number
}

/**
 * Draws samples of a dataset.
 *
 * Stratified: each class's samples are put in random order, the classes too; then one is taken of each class in turn, so
 * that any two classes differ by one at most while both last.
 *
 * @throws `ERR_BATCH_SIZE` where `size` is no whole number from 1 to the dataset's size
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
      `expected a batch of at most ${dataset.size} samples, all that ${dataset.name} has, but received ${size}`,
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

/** How many classes `indices` have a sample of. */
export function classesCovered(dataset: Dataset, indices: readonly number[]): number {
  checkIndices(dataset, indices)
  return new Set(indices.map((index) => dataset.labels[index])).size
}

function permutation(size: number, generator: Generator): number[] {
  using drawn = torch.randperm(size, { generator })
  return Array.from(drawn.toTypedArray() as BigInt64Array, Number)
}
