import { type Dataset, torch } from '../../src/index.js'
import { randn } from './random.js'

/** Seeded float64 vectors [6] of three classes, for the small network `mlp.scripted.pt`. */
export function vectors(size: number): Dataset {
  const all = randn([size, 6], 7, 'float64')
  return {
    name: 'vectors',
    size,
    classes: ['a', 'b', 'c'],
    labels: Int32Array.from({ length: size }, (_, i) => i % 3),
    load: async (indices) => {
      const images = all.index_select(0, torch.tensor([...indices], { dtype: 'int64' }))
      return { images, indices, skipped: [] }
    },
  }
}
