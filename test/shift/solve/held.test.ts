import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'
import { controlWeights, rowSpace, solveShift } from '../../../src/shift/index.js'
import { GramAccumulator } from '../../../src/shift/solve/gram.js'
import { TsqrAccumulator } from '../../../src/shift/solve/tsqr.js'
import { randn } from '../../support/random.js'

const tensors = () =>
  [randn([5, 4], 1, 'float64'), randn([4, 3], 2, 'float64'), randn([3], 3, 'float64')] as const

// [function, a call, and what it still reads after its first wait]
const calls: [string, () => readonly [Promise<unknown>, ...Tensor[]]][] = [
  [
    'solveShift()',
    () => {
      const [a, v, b] = tensors()
      const companion = randn([4, 3], 4, 'float64')
      return [solveShift(a, v, b, { companions: [companion] }), a, v, b, companion]
    },
  ],
  [
    'rowSpace()',
    () => {
      const [a, v] = tensors()
      return [rowSpace(a, { rank: { policy: 'logits' }, v }), a, v]
    },
  ],
  [
    'controlWeights()',
    () => {
      const [a, v] = tensors()
      const [vStar, pool] = [v.mul(0.5), randn([6, 4], 5, 'float64')]
      return [controlWeights('pca', { a, v, vStar, rank: 1, pool }), a, v, vStar, pool]
    },
  ],
  [
    'GramAccumulator.add()',
    () => {
      const [a] = tensors()
      return [new GramAccumulator(4).add(a), a]
    },
  ],
  [
    'TsqrAccumulator.add()',
    () => {
      const [a] = tensors()
      return [new TsqrAccumulator(4).add(a), a]
    },
  ],
]

describe.each(calls)('%s', (_, call) => {
  it('lets nobody write to what it still reads, and everybody afterwards', async () => {
    const [running, ...read] = call()
    for (const tensor of read) {
      expect(() => torch.noGrad(() => tensor.zero_())).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }))
    }
    await running
    for (const tensor of read) torch.noGrad(() => tensor.zero_())
  })
})

it.each(['svd', 'gram', 'qr', 'gaussian', 'pinv'] as const)(
  'a batch of no rows keeps nothing, by %s',
  async (solver) => {
    const v = randn([4, 3], 2, 'float64')
    const { rank, weight } = await solveShift(torch.zeros([0, 4]), v, null, { solver })
    expect([rank, weight.shape, weight.abs().max().item()]).toEqual([0, [4, 3], 0])
  },
)
