import type { Dataset } from '../../src/data/index.js'
import { type Tensor, torch } from '../../src/index.js'
import { randn } from './random.js'

/** Seeded float64 vectors [6] of three classes, for the small network `mlp.scripted.pt`; those at `corrupt` cannot be read. */
export function vectors(size: number, corrupt: readonly number[] = []): Dataset {
  return datasetOf('vectors', randn([size, 6], 7, 'float64'), ['a', 'b', 'c'], corrupt)
}

/** A dataset of these images, [N, …], whose classes take turns; those at `corrupt` cannot be read. */
export function datasetOf(
  name: string,
  all: Tensor,
  classes: readonly string[],
  corrupt: readonly number[] = [],
): Dataset {
  const size = all.shape[0]!
  return {
    name,
    size,
    classes,
    labels: Int32Array.from({ length: size }, (_, i) => i % classes.length),
    load: async (indices) => {
      const good = indices.filter((index) => !corrupt.includes(index))
      const images = all.index_select(0, torch.tensor(good, { dtype: 'int64' }))
      const skipped = indices
        .filter((index) => corrupt.includes(index))
        .map((index) => ({ index, path: `${index}.png`, reason: 'damaged' }))
      return { images, indices: good, skipped }
    },
  }
}
