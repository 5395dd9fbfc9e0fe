import { describe, expect, it } from 'vitest'
import { Tensor, torch } from '../../../src/index.js'
import { type BiasMode, type RankPolicy, type Solver, solvers, solveShift } from '../../../src/shift/index.js'

import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

const largest = (tensor: Tensor) => tensor.abs().max().item()
const norm = (tensor: Tensor) => tensor.square().sum().sqrt().item()
const code = (expected: string) => expect.objectContaining({ code: expected })
const tolerance = { policy: 'tolerance', tolerance: 1e-10 } as const

/** Rank 6 of 9 rows and 12 columns: the last three rows are combinations of the others. */
const independent = randn([6, 12], 1, 'float64')
const a = torch.cat([independent, randn([3, 6], 2, 'float64').matmul(independent)])
const v = randn([12, 4], 3, 'float64')
const b = randn([4], 4, 'float64')

describe('solveShift', () => {
  const python = reference('solve', {
    a: a.toArray(),
    v: v.toArray(),
    b: b.toArray(),
    tolerance: 1e-10,
    lambda: 0.01,
  })
  /** Rows that lie far from the origin. */
  const far = independent.add(randn([12], 7, 'float64').mul(5))
  const pythonOfFar = reference('solve', {
    a: far.toArray(),
    v: v.toArray(),
    b: b.toArray(),
    tolerance: 1e-10,
    lambda: 0.01,
  })

  it.each(solvers)(
    '%s finds the V* that numpy finds, on independent and on dependent rows',
    async (solver) => {
      const { weight, rank, bias } = await solveShift(a, v, b, { solver, rank: tolerance })
      expect(largest(weight.sub(Tensor.from((await python).fixed, { dtype: 'float64' })))).toBeLessThan(1e-9)
      expect(rank).toBe(6)
      expect(bias!.toArray()).toEqual(b.toArray())
      const full = await solveShift(independent, v, null, { solver, rank: tolerance })
      expect(largest(full.weight.sub(weight))).toBeLessThan(1e-9)
      expect(full.bias).toBeNull()
    },
  )

  it.each(solvers)('%s does not depend on order, scale, repetitions or rotation', async (solver) => {
    const solve = async (rows: Tensor, w: Tensor) =>
      (await solveShift(rows, w, null, { solver, rank: tolerance })).weight
    const base = await solve(a, v)
    for (const other of [
      a.flip([0]),
      a.mul(1e4),
      a.div(1e4),
      torch.cat([a, a, torch.zeros([2, 12], { dtype: 'float64' })]),
    ]) {
      expect(largest((await solve(other, v)).sub(base))).toBeLessThan(1e-9)
    }
    // In rotated coordinates, the rotated solution.
    const [rotation] = torch.linalg_qr(randn([12, 12], 5, 'float64'))
    const rotated = await solve(a.matmul(rotation), rotation.t().matmul(v))
    expect(largest(rotation.matmul(rotated).sub(base))).toBeLessThan(1e-9)
    expect(largest((await solve(a, base)).sub(base))).toBeLessThan(1e-9) // idempotent
    expect(largest(a.matmul(base.sub(v)))).toBeLessThan(1e-9)
    expect(norm(base)).toBeLessThan(norm(v))
  })

  it.each(solvers)('%s knows a batch of one, of zeros, and one that spans all', async (solver) => {
    const solve = async (rows: Tensor) => solveShift(rows, v, null, { solver, rank: tolerance })
    const row = a.narrow(0, 0, 1)
    const one = await solve(row)
    const formula = row.t().matmul(row.matmul(v)).div(row.square().sum())
    expect([one.rank, largest(one.weight.sub(formula)) < 1e-12]).toEqual([1, true])
    const none = await solve(torch.zeros([3, 12], { dtype: 'float64' }))
    expect([none.rank, largest(none.weight)]).toEqual([0, 0])
    const all = await solve(randn([20, 12], 6, 'float64'))
    expect([all.rank, largest(all.weight.sub(v)) < 1e-9]).toEqual([12, true])
  })

  it.each<[BiasMode, Solver]>([
    ['absorb', 'svd'],
    ['absorb', 'pinv'],
    ['augment', 'svd'],
    ['augment', 'gram'],
  ])('%s by %s is what numpy finds, and exact on the batch', async (mode, solver) => {
    const { weight, bias } = await solveShift(a, v, b, { solver, rank: tolerance, bias: mode })
    const expected = (await python)[mode]
    expect(largest(weight.sub(Tensor.from(expected.weight, { dtype: 'float64' })))).toBeLessThan(1e-9)
    expect(largest(bias!.sub(Tensor.from(expected.bias, { dtype: 'float64' })))).toBeLessThan(1e-9)
    const z = a.matmul(v).add(b)
    expect(largest(a.matmul(weight).add(bias!).sub(z))).toBeLessThan(1e-9)
  })

  it.each<[BiasMode, Solver]>([
    ['absorb', 'svd'],
    ['absorb', 'pinv'],
    ['absorb', 'gram'],
    ['augment', 'svd'],
  ])(
    '%s by %s is what numpy finds where rows lie far from the origin and centring takes a direction',
    async (mode, solver) => {
      const { weight, bias } = await solveShift(far, v, b, { solver, rank: tolerance, bias: mode })
      const expected = (await pythonOfFar)[mode]
      expect(largest(weight.sub(Tensor.from(expected.weight, { dtype: 'float64' })))).toBeLessThan(1e-9)
      expect(largest(bias!.sub(Tensor.from(expected.bias, { dtype: 'float64' })))).toBeLessThan(1e-9)
      expect(largest(bias!.sub(b))).toBeGreaterThan(0.1)
      const z = far.matmul(v).add(b)
      expect(largest(far.matmul(weight).add(bias!).sub(z))).toBeLessThan(1e-9)
    },
  )

  it('absorb is the projection on the centred rows, and no longer than fixed', async () => {
    const offset = a.add(randn([12], 7, 'float64').mul(5))
    const fixed = await solveShift(offset, v, b, { rank: tolerance })
    const absorbed = await solveShift(offset, v, b, { rank: tolerance, bias: 'absorb' })
    expect(norm(absorbed.weight)).toBeLessThanOrEqual(norm(fixed.weight))
  })

  it('leaves the loss on the batch constant on the path from V to V*', async () => {
    const { weight } = await solveShift(a, v, b)
    const labels = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 0], { dtype: 'int64' })
    const loss = (t: number) =>
      torch.cross_entropy_loss(a.matmul(v.mul(1 - t).add(weight.mul(t))).add(b), labels).item()
    for (const t of [0.25, 0.5, 1, 2]) expect(loss(t)).toBeCloseTo(loss(0), 12)
  })

  it('on collapsed features keeps what the printed formula destroys, and says where there is no gap', async () => {
    // Condition 1e5, as the last layer's inputs of a trained network have it.
    const [left] = torch.linalg_qr(randn([100, 60], 8, 'float64'))
    const [right] = torch.linalg_qr(randn([128, 60], 9, 'float64'))
    const sigma = torch.logspace(2, -3, 60, 10, { dtype: 'float64' })
    const features = left.mul(sigma).matmul(right.t()).to('float32')
    const w = randn([128, 10], 10, 'float32')
    const { weight, rank, warnings } = await solveShift(features, w, null)
    expect(largest(features.to('float64').matmul(weight.sub(w.to('float64'))))).toBeLessThanOrEqual(1e-3)
    expect(norm(weight)).toBeLessThan(norm(w))
    expect(rank).toBeLessThan(60)
    expect(warnings.join()).toContain('no gap at rank')
    // The formula of equation 13 as printed, in float32: the batch's own logits move by more than their size.
    const inverse = torch.linalg_inv(features.matmul(features.t()))
    const printed = features.t().matmul(inverse.matmul(features.matmul(w)))
    const logits = features.matmul(w)
    expect(largest(features.matmul(printed).sub(logits))).toBeGreaterThan(largest(logits))
  })

  it('refuses NaN, a bias that is not there, and policies that the solver does not know', async () => {
    const nan = torch.full([2, 12], Number.NaN)
    await expect(solveShift(nan, v, null)).rejects.toEqual(code('ERR_NOT_FINITE'))
    await expect(solveShift(a, v, null, { bias: 'absorb' })).rejects.toEqual(code('ERR_BIAS'))
    const fixed = { policy: 'fixed', rank: 2 } as const
    for (const solver of ['qr', 'gaussian', 'pinv'] as const) {
      await expect(solveShift(a, v, null, { solver, rank: fixed })).rejects.toEqual(code('ERR_RANK_POLICY'))
    }
    // Companions are projected on directions that qr does not give, and that augment has one more of.
    const [bias, companions] = [torch.zeros([v.shape[1]!], { dtype: 'float64' }), [v]]
    for (const options of [{ bias: 'augment' }, { solver: 'qr' }, { solver: 'pinv' }] as const) {
      await expect(solveShift(a, v, bias, { ...options, companions })).rejects.toEqual(
        code('ERR_INVALID_ARGUMENT'),
      )
    }
  })

  it('ridge is the damped solution of the normal equations', async () => {
    const { weight } = await solveShift(a, v, null, { rank: { policy: 'ridge', lambda: 0.01 } })
    const expected = Tensor.from((await python).ridge, { dtype: 'float64' })
    expect(largest(weight.sub(expected))).toBeLessThan(1e-10)
  })

  it.each(solvers)('%s takes for noise what the dtype of the rows leaves in doubt', async (solver) => {
    const rows = torch.diag(torch.tensor([1, 2 ** -24, 0], { dtype: 'float64' }))
    const w = torch.ones([3, 1], { dtype: 'float64' })
    const given = { solver, rank: { policy: 'tolerance' } } as const
    expect((await solveShift(rows, w, null, given)).rank).toBe(2)
    expect((await solveShift(rows.to('float32'), w, null, given)).rank).toBe(1) // below 1e-6
    expect(
      (await solveShift(rows.to('float32'), w, null, { ...given, bias: 'fixed' })).weight.toArray(),
    ).toEqual([[expect.closeTo(1, 12)], [0], [0]])
    if (solver === 'svd' || solver === 'gram') return
    // These have no other policy by default.
    expect((await solveShift(rows, w, null, { solver })).rank).toBe(2)
    expect((await solveShift(rows.to('float32'), w, null, { solver })).rank).toBe(1)
  })

  it.each(solvers)(
    '%s keeps nothing beyond the rounding of its arithmetic, also at a tolerance of 0',
    async (solver) => {
      const { rank, weight } = await solveShift(a, v, null, {
        solver,
        rank: { policy: 'tolerance', tolerance: 0 },
      })
      expect(rank).toBe(6)
      const expected = Tensor.from((await python).fixed, { dtype: 'float64' })
      expect(largest(weight.sub(expected))).toBeLessThan(solver === 'gram' ? 1e-6 : 1e-8)
    },
  )

  it.each<[Solver, number]>([
    ['svd', 6],
    ['gram', 6],
    ['qr', 0],
    ['gaussian', 0],
    ['pinv', 0],
  ])('%s tells the singular values that it finds, and no companions', async (solver, known) => {
    const found = await solveShift(independent, v, b, { solver, rank: tolerance })
    expect([found.companions, found.warnings]).toEqual([[], []])
    if (known === 0) expect(found.singularValues).toBeNull()
    else {
      const sigma = torch.linalg_svdvals(independent).toArray() as number[]
      expect(found.singularValues).toEqual(sigma.map((value) => expect.closeTo(value, 9)))
    }
  })

  it.each<[BiasMode, Solver]>([
    ['absorb', 'qr'],
    ['absorb', 'gaussian'],
    ['absorb', 'gram'],
    ['augment', 'qr'],
    ['augment', 'gaussian'],
    ['augment', 'pinv'],
  ])('%s by %s is what svd finds', async (bias, solver) => {
    const [found, expected] = [
      await solveShift(far, v, b, { solver, rank: tolerance, bias }),
      await solveShift(far, v, b, { rank: tolerance, bias }),
    ]
    expect(found.rank).toBe(expected.rank)
    expect(largest(found.weight.sub(expected.weight))).toBeLessThan(1e-7)
    expect(largest(found.bias!.sub(expected.bias!))).toBeLessThan(1e-7)
    expect([found.weight.shape, found.bias!.shape]).toEqual([[12, 4], [4]])
  })

  it('projects companions on what the weight keeps, centred where the weight is', async () => {
    const companions = [randn([12, 4], 20, 'float64'), randn([12, 4], 21)]
    for (const bias of ['fixed', 'absorb'] as const) {
      const rows = bias === 'absorb' ? independent.sub(independent.mean([0])) : independent
      const projector = torch.linalg_pinv(rows, { rtol: 1e-10 }).matmul(rows)
      const solved = await solveShift(independent, v, b, { rank: tolerance, bias, companions })
      for (const [i, one] of solved.companions.entries()) {
        expect(largest(one.sub(projector.matmul(companions[i]!.to('float64'))))).toBeLessThan(1e-9)
      }
      expect(solved.companions).toHaveLength(2)
    }
  })

  it.each([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])(
    'refuses rows of which one element is %d',
    async (value) => {
      const rows = a.clone()
      rows.at(3, 2).fill_(value)
      await expect(solveShift(rows, v, null)).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' })
    },
  )

  it('keeps the logits to a thousandth by default, by svd and gram', async () => {
    const w = torch.ones([3, 1], { dtype: 'float64' })
    for (const solver of [undefined, 'svd', 'gram'] as const) {
      const rankOf = async (second: number) => {
        const rows = torch.diag(torch.tensor([1, second, 1e-5], { dtype: 'float64' }))
        return (await solveShift(rows, w, null, solver && { solver })).rank
      }
      expect([await rankOf(0.9e-3), await rankOf(1.1e-3)]).toEqual([1, 2])
    }
  })

  it('reports a cut without a gap, but never for a ridge', async () => {
    const warnings = async (rank: RankPolicy) => (await solveShift(independent, v, null, { rank })).warnings
    expect(await warnings({ policy: 'fixed', rank: 3 })).toEqual([expect.stringMatching(/rank 3\b/)])
    expect(await warnings({ policy: 'fixed', rank: 6 })).toEqual([])
    expect(await warnings({ policy: 'ridge', lambda: 0.5 })).toEqual([])
  })
})
