import { type Tensor, torch } from '../../src/index.js'
import type { DType } from '../../src/torch/index.js'

/** Seeded normal numbers, the same as Python's torch.randn with a generator of that seed. */
export function randn(shape: number[], seed: number, dtype: DType = 'float32'): Tensor {
  return torch.randn(shape, { generator: new torch.Generator(seed), dtype })
}
