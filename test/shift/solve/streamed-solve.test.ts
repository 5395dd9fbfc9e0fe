import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'
import { type RankPolicy, type SolveOptions, solveShift } from '../../../src/shift/index.js'
import { StreamedSolve } from '../../../src/shift/solve/streamed-solve.js'
import { randn } from '../../support/random.js'

const largest = (tensor: Tensor) => tensor.abs().max().item()
const diagonal = (values: number[]) => torch.diag(torch.tensor(values, { dtype: 'float64' }))
const ones = (rows: number) => torch.ones([rows, 1], { dtype: 'float64' })

async function streamed(a: Tensor, v: Tensor, bias: Tensor | null, options: SolveOptions = {}) {
  using solve = new StreamedSolve(a.shape[1]!, options)
  for (const part of a.split(7)) await solve.add(part)
  const { weight, bias: shifted, ...others } = await solve.solve({ weight: v, bias })
  return { weight: weight.clone(), bias: shifted?.clone() ?? null, ...others }
}

describe.each(['gram', 'svd'] as const)('rows that come in chunks, by %s', (solver) => {
  const a = randn([30, 9], 1, 'float64')
    .mul(torch.logspace(0, -3, 9, 10, { dtype: 'float64' }))
    .add(0.5)
  const v = randn([9, 4], 2, 'float64')
  const b = randn([4], 3, 'float64')

  it.each<RankPolicy>([
    { policy: 'tolerance', tolerance: 0.01 },
    { policy: 'tolerance' },
    { policy: 'energy', share: 0.999 },
    { policy: 'fixed', rank: 5 },
    { policy: 'ridge', lambda: 0.01 },
  ])('are solved as one batch is, by %j', async (rank) => {
    for (const bias of ['fixed', 'absorb'] as const) {
      const found = await streamed(a, v, b, { solver, rank, bias })
      const whole = await solveShift(a, v, b, { rank, bias })
      expect(found.rank).toBe(whole.rank)
      expect(largest(found.weight.sub(whole.weight))).toBeLessThan(1e-7)
      expect(largest(found.bias!.sub(whole.bias!))).toBeLessThan(1e-7)
      found.singularValues!.forEach(
        (value, i) => void expect(value).toBeCloseTo(whole.singularValues![i]!, 7),
      )
      expect(found.warnings).toEqual(whole.warnings)
      expect(found.companions).toEqual([])
    }
  })

  it('keep a bias that stays, or none', async () => {
    expect((await streamed(a, v, b, { solver })).bias!.toArray()).toEqual(b.toArray())
    expect((await streamed(a, v, null, { solver })).bias).toBeNull()
    await expect(streamed(a, v, null, { solver, bias: 'absorb' })).rejects.toMatchObject({ code: 'ERR_BIAS' })
  })

  // With V of ones, what a cut at r moves is bounded by √(Σ σᵢ² beyond r).
  it.each([
    [10, 0],
    [Math.hypot(4, 2, 1) + 1e-6, 0],
    [Math.hypot(2, 1) + 1e-6, 1],
    [Math.hypot(2, 1) - 1e-6, 2],
    [1 + 1e-6, 2],
    [0.5, 3],
    [0, 3],
  ])('keep the logits to %d by the smallest rank of the bound', async (delta, rank) => {
    const found = await streamed(diagonal([4, 2, 1]), ones(3), null, {
      solver,
      rank: { policy: 'logits', delta },
    })
    expect(found.rank).toBe(rank)
    const kept = Array.from({ length: 3 }, (_, i) => [i < rank ? 1 : 0])
    expect(largest(found.weight.sub(torch.tensor(kept)))).toBeLessThan(1e-12)
  })

  it('keep the logits to a thousandth by default', async () => {
    expect((await streamed(diagonal([1, 0.9e-3, 0.1e-3]), ones(3), null, { solver })).rank).toBe(1)
    expect((await streamed(diagonal([1, 1.1e-3, 0.1e-3]), ones(3), null, { solver })).rank).toBe(2)
  })

  it('report a cut without a gap, but not if nothing is cut', async () => {
    const of = async (rank: RankPolicy) =>
      (await streamed(diagonal([4, 2, 1]), ones(3), null, { solver, rank })).warnings
    expect(await of({ policy: 'fixed', rank: 2 })).toEqual([expect.stringMatching(/rank 2\b.*2\.00/)])
    expect(await of({ policy: 'fixed', rank: 3 })).toEqual([])
    expect(await of({ policy: 'ridge', lambda: 0.1 })).toEqual([])
  })

  it('are cut by a tolerance no lower than is resolved', async () => {
    const at = (tolerance: number) =>
      streamed(diagonal([1, 1e-3, 0, 0]), ones(4), null, { solver, rank: { policy: 'tolerance', tolerance } })
    // √(4 · eps) for the Gram matrix; 4 · eps · ‖[1 A]‖ for the factor, with ‖[1 A]‖² = 4 + 1 + 1e-6.
    const floor = solver === 'gram' ? 2 ** -25 : 4 * 2 ** -52 * Math.sqrt(5 + 1e-6)
    expect((await at(1.001 * floor)).rank).toBe(2)
    await expect(at(0.999 * floor)).rejects.toMatchObject({ code: 'ERR_TOLERANCE' })
    expect((await at(0.01)).rank).toBe(1)
  })

  it('of zeros have rank 0', async () => {
    const found = await streamed(torch.zeros([4, 3]), ones(3), null, { solver })
    expect([found.rank, largest(found.weight), found.singularValues]).toEqual([0, 0, [0, 0, 0]])
  })
})

describe('rows in chunks', () => {
  it('are solved by the Gram matrix if nothing is said', async () => {
    const rank = { policy: 'tolerance', tolerance: 1e-9 } as const
    await expect(streamed(diagonal([1, 1]), ones(2), null, { rank })).rejects.toThrow(/gram/)
  })

  it('refuse what needs all of them at once', () => {
    const refused = (options: SolveOptions, code: string) =>
      expect(() => new StreamedSolve(3, options)).toThrow(expect.objectContaining({ code }))
    for (const solver of ['qr', 'pinv', 'gaussian'] as const) refused({ solver }, 'ERR_SOLVER')
    refused({ bias: 'augment' }, 'ERR_BIAS')
    refused({ rank: { policy: 'energy', share: 2 } }, 'ERR_RANK_POLICY')
    refused(5 as never, 'ERR_INVALID_ARGUMENT')
  })
})
