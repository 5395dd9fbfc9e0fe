import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { torch } from '../../../src/index.js'
import { parseRankPolicy, type RankPolicy, rankPolicyName, rowSpace } from '../../../src/shift/index.js'

import { randn } from '../../support/random.js'

const code = (expected: string) => expect.objectContaining({ code: expected })
const diagonal = torch.diag(torch.tensor([10, 5, 1, 0.1, 1e-4], { dtype: 'float64' }))
const rankBy = async (rank: RankPolicy) => (await rowSpace(diagonal, { rank })).rank

describe('rank policies', () => {
  it('cut a known spectrum where their definitions say', async () => {
    expect(await rankBy({ policy: 'tolerance', tolerance: 0.05 })).toBe(3)
    expect(await rankBy({ policy: 'tolerance' })).toBe(5)
    // σ²: 100, 25, 1, 0.01, 1e-8 of 126.01
    expect(await rankBy({ policy: 'energy', share: 0.79 })).toBe(1)
    expect(await rankBy({ policy: 'energy', share: 0.8 })).toBe(2)
    expect(await rankBy({ policy: 'energy', share: 0.9999 })).toBe(3)
    expect(await rankBy({ policy: 'energy', share: 1 })).toBe(5)
    expect(await rankBy({ policy: 'fixed', rank: 2 })).toBe(2)
    expect(await rankBy({ policy: 'fixed', rank: 99 })).toBe(5)
    expect(await rankBy({ policy: 'ridge', lambda: 1 })).toBe(5)
  })

  it('logits keeps to δ with the smallest rank, held against a search through all of them', async () => {
    const a = randn([30, 40], 1, 'float64').mul(torch.logspace(0, -6, 40, 10, { dtype: 'float64' }))
    const v = randn([40, 7], 2, 'float64')
    const full = await rowSpace(a, { rank: { policy: 'fixed', rank: 40 } })
    const moved = (rank: number) => {
      const q = full.basis.narrow(1, 0, rank)
      return a
        .matmul(v.sub(q.matmul(q.t().matmul(v))))
        .abs()
        .max()
        .item()
    }
    for (const decomposition of ['svd', 'gram'] as const) {
      for (const delta of [1, 1e-1, 1e-2, 1e-3]) {
        const { rank } = await rowSpace(a, { decomposition, rank: { policy: 'logits', delta }, v })
        expect(moved(rank)).toBeLessThanOrEqual(delta * (1 + 1e-6))
        expect(moved(rank - 1)).toBeGreaterThan(delta)
      }
    }
  })

  it('are read from text and written to it', () => {
    expect(parseRankPolicy('logits')).toEqual({ policy: 'logits' })
    expect(parseRankPolicy('logits:1e-4')).toEqual({ policy: 'logits', delta: 1e-4 })
    expect(parseRankPolicy('fixed:12')).toEqual({ policy: 'fixed', rank: 12 })
    for (const text of ['logits:0.001', 'tolerance', 'energy:0.9', 'fixed:3', 'ridge:0.5']) {
      expect(rankPolicyName(parseRankPolicy(text))).toBe(text)
    }
    for (const text of [
      '',
      'rank',
      'fixed',
      'fixed:1.5',
      'energy:2',
      'energy',
      'tolerance:1',
      'logits:x',
      'logits:',
      'ridge:-1',
      'fixed:1:2',
      'constructor',
    ]) {
      expect(() => parseRankPolicy(text), text).toThrow(code('ERR_RANK_POLICY'))
    }
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseRankPolicy(text)
        } catch (error) {
          expect(error).toEqual(code('ERR_RANK_POLICY'))
        }
      }),
    )
  })
})
