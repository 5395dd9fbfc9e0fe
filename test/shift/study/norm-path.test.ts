import { expect, it } from 'vitest'
import { torch } from '../../../src/index.js'

import { normPath } from '../../../src/shift/study/norm-path.js'
import { randn } from '../../support/random.js'

it.each([
  ['fewer rows than inputs', randn([20, 30], 1, 'float64')],
  ['more rows than inputs', randn([20, 12], 2, 'float64')],
  ['repeated rows', torch.cat([randn([5, 30], 3, 'float64'), randn([15, 30], 3, 'float64')])],
  ['a row of zeros', torch.cat([torch.zeros([1, 30], { dtype: 'float64' }), randn([9, 30], 4, 'float64')])],
])('the norms along the path are those of projections by the pseudo-inverse: %s', async (_, a) => {
  const v = randn([a.shape[1]!, 4], 5, 'float64')
  const path = await normPath(a, v)
  expect(path.map(({ batchSize }) => batchSize)).toEqual(Array.from({ length: a.shape[0]! }, (_, i) => i + 1))
  for (const { batchSize, norm } of path) {
    const rows = a.narrow(0, 0, batchSize)
    const projected = torch.linalg_pinv(rows).matmul(rows.matmul(v))
    expect(norm).toBeCloseTo(Math.sqrt(projected.square().sum().item()), 8)
  }
})

it('returns no more points than asked for, the whole batch last', async () => {
  const path = await normPath(randn([100, 30], 6), randn([30, 4], 7, 'float64'), 7)
  expect(path.map(({ batchSize }) => batchSize)).toEqual([14, 29, 43, 57, 71, 86, 100])
})
