import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { torch } from '../../../src/index.js'
import { parseRankPolicy, type RankPolicy, rankPolicyName, rowSpace } from '../../../src/shift/index.js'
import {
  checkRankPolicy,
  countAbove,
  damping,
  gapWarning,
  rankOfEnergy,
  rankOfLogits,
} from '../../../src/shift/solve/rank.js'

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

  it('logits keeps to δ with the smallest rank, compared with a search through all of them', async () => {
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

  it.each<[string, readonly number[], readonly unknown[]]>([
    ['logits', [0, 1e-3, 5], [-1e-9, Number.NaN, Number.POSITIVE_INFINITY, '0.5', null]],
    ['tolerance', [0, 0.999], [-1e-9, 1, Number.NaN, '0.5']],
    ['energy', [1e-9, 1], [0, -0.5, 1.0001, Number.NaN, '0.5', undefined]],
    ['fixed', [0, 3], [-1, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, '3', undefined]],
    ['ridge', [0, 4], [-1e-9, Number.NaN, Number.POSITIVE_INFINITY, '0.5', undefined]],
  ])('%s has numbers in their range alone', (policy, right, wrong) => {
    const parameter = {
      logits: 'delta',
      tolerance: 'tolerance',
      energy: 'share',
      fixed: 'rank',
      ridge: 'lambda',
    }[policy]!
    const check = (value: unknown) => () => checkRankPolicy({ policy, [parameter]: value } as never)
    for (const value of right) expect(check(value), String(value)).not.toThrow()
    for (const value of wrong) {
      const refused = { code: 'ERR_RANK_POLICY', message: expect.stringContaining(`for ${parameter} of`) }
      expect(check(value), String(value)).toThrow(expect.objectContaining(refused))
    }
  })

  it('that do not exist are refused by their names', () => {
    for (const policy of [null, undefined, {}, { policy: 'toString' }, { policy: 'best' }]) {
      const names = expect.stringMatching(
        /one of the rank policies logits, tolerance, energy, fixed, ridge but received (undefined|"toString"|"best")$/,
      )
      expect(() => checkRankPolicy(policy as never)).toThrow(
        expect.objectContaining({ code: 'ERR_RANK_POLICY', message: names }),
      )
    }
    for (const none of [null, 5]) {
      const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
      expect(() => rankPolicyName(none as never)).toThrow(refused)
      expect(() => parseRankPolicy(none as never)).toThrow(refused)
    }
    expect(() => rankPolicyName(null as never)).toThrow(/ policy /)
    expect(() => parseRankPolicy(5 as never)).toThrow(/rank policy/)
  })
})

describe('a rank', () => {
  it('by energy drops what may be dropped, to the last digit', () => {
    expect(rankOfEnergy([1, 1], 0.5)).toBe(1) // what is left out is exactly the share that may be
    expect(rankOfEnergy([2, 1, 1], 0.5)).toBe(1)
    expect(rankOfEnergy([1, 1, 1, 1], 0.75)).toBe(3)
    expect(rankOfEnergy([0, 0], 0.5)).toBe(0)
    expect(rankOfEnergy([], 0.5)).toBe(0)
  })

  it('by tolerance leaves out what is just as large', () => {
    expect(countAbove([4, 2, 1], 0.25)).toBe(2)
    expect(countAbove([4, 2, 1], 0.2)).toBe(3)
    expect([countAbove([0, 0], 0), countAbove([], 0)]).toEqual([0, 0])
  })

  // The residual of a cut at r has the values from r on: the largest is the first of them.
  it.each([
    [[8, 7, 6, 5, 4, 3, 2, 1], 5, 3],
    [[8, 7, 6, 5, 4, 3, 2, 1], 4.5, 4],
    [[8, 7, 6, 5, 4, 3, 2, 1], 1, 7],
    [[8, 7, 6, 5, 4, 3, 2, 1], 0.5, 8],
    [[8, 7, 6, 5, 4, 3, 2, 1], 8, 0],
    [[8, 7, 6, 5, 4, 3, 2, 1], 1e9, 0],
    [[3], 2, 1],
    [[3], 3, 0],
  ])('of the logits %j by %d is the smallest that keeps to it', async (values, delta, rank) => {
    const left = torch.diag(torch.tensor(values, { dtype: 'float64' }))
    const right = torch.ones([values.length, 1], { dtype: 'float64' })
    expect(await rankOfLogits(left, right, delta, values.length)).toBe(rank)
    // Also downwards: what counts is how far a logit moves, not where to.
    expect(await rankOfLogits(left, right.neg(), delta, values.length)).toBe(rank)
  })

  it('is damped by σ² / (σ² + λσ₁²)', () => {
    expect(damping([4, 2, 1], 2, 0.25)).toEqual([16 / 20, 4 / 8])
    expect(damping([4, 2, 1], 3, 0)).toEqual([1, 1, 1])
    expect(damping([], 0, 1)).toEqual([])
  })

  it('without a gap is reported, with the gap that there is', () => {
    expect(gapWarning([10, 4, 0.5], 2)).toMatch(/no gap at rank 2 \(σ_r \/ σ_r\+1 = 8\.00, below 10\)/)
    expect(gapWarning([10, 4, 0.5], 1)).toMatch(/no gap at rank 1 \(σ_r \/ σ_r\+1 = 2\.50, below 10\)/)
    expect(gapWarning([10, 5, 0.5], 2)).toBeNull()
    expect(gapWarning([10, 5.1, 0.5], 2)).toBeNull()
    expect(gapWarning([10, 5], 2)).toBeNull() // nothing is cut
    expect(gapWarning([10, 5], 0)).toBeNull() // nothing is kept
    expect(gapWarning([10, 5, 0], 2)).toBeNull()
  })
})
