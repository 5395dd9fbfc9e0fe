import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'
import { projectOnRowSpace, rowSpace } from '../../../src/shift/index.js'

import {
  GramAccumulator,
  rowSpaceOfGram,
  type StreamOptions,
  spectrumOfGram,
} from '../../../src/shift/solve/gram.js'
import type { RowSpace } from '../../../src/shift/solve/row-space.js'
import { driftBoundAt, driftBounds } from '../../../src/shift/solve/spectrum.js'
import { rowSpaceOfTsqr, spectrumOfTsqr, TsqrAccumulator } from '../../../src/shift/solve/tsqr.js'
import { temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference, writeTensor } from '../../support/tensors.js'

const code = (expected: string) => expect.objectContaining({ code: expected })
const largest = (tensor: Tensor) => tensor.abs().max().item()
const flat = (tensor: Tensor) => tensor.reshape([-1]).toTypedArray<Float64Array>()
const projector = ({ basis }: RowSpace) => basis.matmul(basis.t())

/** [rows, m] of rank `rank`, singular values falling by about `decades` powers of ten. */
function matrix(rows: number, m: number, rank: number, decades: number, seed = 1): Tensor {
  const scales = torch.pow(10, torch.linspace(0, -decades, rank, { dtype: 'float64' }))
  return randn([rows, rank], seed, 'float64')
    .mul(scales)
    .matmul(randn([rank, m], seed + 1, 'float64'))
}

function chunksOf(a: Tensor, sizes: readonly number[]): Tensor[] {
  const chunks: Tensor[] = []
  for (let start = 0, i = 0; start < a.shape[0]!; i++) {
    const size = Math.min(sizes[i % sizes.length]!, a.shape[0]! - start)
    chunks.push(a.narrow(0, start, size))
    start += size
  }
  return chunks
}

/** The two ways of streaming rows, which are to find the same. */
const streams = {
  async Gram(chunks: readonly Tensor[], options: StreamOptions = {}) {
    using gram = new GramAccumulator(chunks[0]!.shape[1]!)
    for (const chunk of chunks) await gram.add(chunk)
    return { space: await rowSpaceOfGram(gram, options), spectrum: await spectrumOfGram(gram, options) }
  },
  async TSQR(chunks: readonly Tensor[], options: StreamOptions = {}) {
    using tsqr = new TsqrAccumulator(chunks[0]!.shape[1]!)
    for (const chunk of chunks) await tsqr.add(chunk)
    return { space: await rowSpaceOfTsqr(tsqr, options), spectrum: await spectrumOfTsqr(tsqr, options) }
  },
}

const cases = [
  { name: 'well conditioned', a: matrix(200, 16, 16, 0), tolerance: 1e-6, centred: false },
  { name: 'fewer rows than columns', a: matrix(9, 16, 16, 0), tolerance: 1e-6, centred: false },
  { name: 'exactly low rank', a: matrix(200, 16, 5, 0), tolerance: 1e-6, centred: false },
  { name: 'ill-conditioned, cut inside', a: matrix(300, 16, 16, 10), tolerance: 1e-5, centred: false },
  { name: 'centred, a large mean', a: matrix(200, 16, 7, 1).add(100), tolerance: 1e-5, centred: true },
  { name: 'centred, few rows', a: matrix(9, 16, 16, 0).add(1), tolerance: 1e-6, centred: true },
]

// biome-ignore lint/suspicious/noExplicitAny: what the reference prints
let numpy: any[]
beforeAll(async () => {
  const folder = temporaryFolder()
  const written = cases.map(({ a, tolerance, centred }, i) => {
    const file = join(folder, `${i}.bin`)
    writeTensor(file, a)
    return { file, shape: a.shape, tolerance, centred }
  })
  numpy = await reference('row_space', { cases: written })
})

describe.each(Object.entries(streams))('the row space of streamed rows, by %s', (name, stream) => {
  it.each(cases.map((given, index) => ({ ...given, index })))(
    "is numpy's: $name",
    async ({ a, tolerance, centred, index }) => {
      const python = numpy[index]
      const { space } = await stream(chunksOf(a, [7, 64, 1, 30]), { tolerance, centred })
      expect(space.rank).toBe(python.rank)
      // Centred rows add up to nothing: one singular value less.
      expect(space.singularValues).toHaveLength(Math.min(16, a.shape[0]! - (centred ? 1 : 0)))
      const relative = (i: number) => Math.abs(space.singularValues[i]! - python.sigma[i]) / python.sigma[0]
      // A Gram matrix has σ² to eps: a kept σ ≥ τσ₁ to eps/τ.
      for (let i = 0; i < python.rank; i++) expect(relative(i)).toBeLessThan(1e-9)
      expect(largestDifference(flat(projector(space)), python.projector)).toBeLessThan(1e-4)
      expect(largest(space.basis.t().matmul(space.basis).sub(torch.eye(space.rank)))).toBeLessThan(1e-13)
    },
  )

  it('does not depend on the order of the rows, chunks, scale, repetitions or zero rows', async () => {
    const a = matrix(60, 12, 6, 2)
    const expected = projector((await stream([a])).space)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
        fc.constantFrom('shuffled', 'scaled', 'repeated', 'with zeros', 'as it is'),
        fc.nat(100),
        async (sizes, change, seed) => {
          const zeros = torch.zeros([5, 12], { dtype: 'float64' })
          const order = torch.tensor(
            Array.from({ length: 60 }, (_, i) => (i * 7 + seed) % 60),
            { dtype: 'int64' },
          )
          const changed = {
            shuffled: () => a.index_select(0, order),
            scaled: () => a.mul(10 ** ((seed % 9) - 4)),
            repeated: () => torch.cat([a, a.mul(-2), a.narrow(0, 3, 9)]),
            'with zeros': () => torch.cat([zeros, a, zeros]),
            'as it is': () => a,
          }[change as 'shuffled']()
          const { space } = await stream(chunksOf(changed, sizes))
          expect(space.rank).toBe(6)
          expect(largest(projector(space).sub(expected))).toBeLessThan(1e-9)
        },
      ),
      { numRuns: 30 },
    )
  })

  it('turns with the features', async () => {
    const a = matrix(60, 12, 6, 1)
    const [rotation] = torch.linalg_qr(randn([12, 12], 9, 'float64'))
    const turned = await stream([a.matmul(rotation)])
    const expected = rotation
      .t()
      .matmul(projector((await stream([a])).space))
      .matmul(rotation)
    expect(largest(projector(turned.space).sub(expected))).toBeLessThan(1e-9)
  })

  it('projects once and for all, and to the whole space if the rows span it', async () => {
    const v = randn([12, 4], 3, 'float64')
    const { space } = await stream([matrix(60, 12, 6, 1)])
    const once = await projectOnRowSpace(space, v)
    expect(largest((await projectOnRowSpace(space, once)).sub(once))).toBeLessThan(1e-14)
    const whole = await stream([matrix(60, 12, 12, 1)])
    expect(whole.space.rank).toBe(12)
    expect(largest((await projectOnRowSpace(whole.space, v)).sub(v))).toBeLessThan(1e-13)
  })

  it('takes one row, and nothing but zeros', async () => {
    const row = randn([1, 12], 4)
    const { space } = await stream([row])
    expect(space.rank).toBe(1)
    const unit = row.div(row.square().sum().sqrt()).to('float64')
    expect(largest(projector(space).sub(unit.t().matmul(unit)))).toBeLessThan(1e-6)
    const nothing = await stream([torch.zeros([5, 12])])
    expect(nothing.space.rank).toBe(0)
    expect(largest(await projectOnRowSpace(nothing.space, randn([12, 2], 1, 'float64')))).toBe(0)
  })

  it.each(['float32', 'float16', 'bfloat16'] as const)(
    'takes rows in %s, and loses nothing more',
    async (dtype) => {
      const a = matrix(60, 12, 12, 0).to(dtype)
      const { space } = await stream(chunksOf(a, [25]))
      const wide = await rowSpace(a.to('float64'), { rank: { policy: 'tolerance', tolerance: 1e-6 } })
      expect(space.rank).toBe(12)
      expect(largestDifference(space.singularValues, wide.singularValues)).toBeLessThan(1e-10)
    },
  )

  it('bounds what a projection moves, at every rank', async () => {
    for (const decades of [0, 3, 9]) {
      const a = matrix(80, 12, 12, decades)
      const v = randn([12, 5], 8, 'float64')
      const { spectrum } = await stream(chunksOf(a, [33]))
      const bounds = driftBounds(spectrum, v)
      expect(bounds).toHaveLength(13)
      for (let rank = 0; rank <= 12; rank++) {
        const basis = spectrum.directions.narrow(1, 0, rank)
        const moved = a.matmul(v.sub(basis.matmul(basis.t().matmul(v))))
        expect(largest(moved)).toBeLessThanOrEqual(bounds[rank]! + 1e-13 * largest(a.matmul(v)))
        // Not only a bound: it is the longest column, so at most √rows above the largest entry.
        const columns = moved.square().sum([0]).sqrt().max().item()
        const hidden = spectrum.uncertainty * v.square().sum([0]).sqrt().max().item()
        expect(bounds[rank]!).toBeLessThanOrEqual(columns * (1 + 1e-9) + 2 * hidden)
      }
      const { space } = await stream([a], { tolerance: 1e-4 })
      expect(driftBoundAt(spectrum, space, v)).toBe(bounds[space.rank])
    }
  })

  it('refuses rows of another width or kind, NaN and infinity', async () => {
    const wrong = (rows: Tensor) =>
      name === 'Gram' ? new GramAccumulator(12).add(rows) : new TsqrAccumulator(12).add(rows)
    await expect(wrong(torch.zeros([3, 11]))).rejects.toEqual(code('ERR_SHAPE'))
    await expect(wrong(torch.zeros([12]))).rejects.toEqual(code('ERR_SHAPE'))
    await expect(wrong(torch.zeros([3, 12], { dtype: 'int64' }))).rejects.toEqual(code('ERR_DTYPE'))
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(stream([torch.full([3, 12], value)])).rejects.toEqual(code('ERR_NOT_FINITE'))
    }
  })
})

describe('the floor of a Gram matrix', () => {
  it('is refused below √(m·eps), at which TSQR still distinguishes directions', async () => {
    // The last direction is 1e-10 of the first: squared it is below eps.
    const a = matrix(400, 8, 8, 10)
    using gram = new GramAccumulator(8)
    await gram.add(a)
    const refused = rowSpaceOfGram(gram, { tolerance: 1e-12 })
    await expect(refused).rejects.toEqual(code('ERR_TOLERANCE'))
    await expect(refused).rejects.toThrow(/4\.21e-8.*TSQR/)
    expect((await rowSpaceOfGram(gram, { tolerance: 4.3e-8 })).rank).toBeLessThan(8)
    const { space } = await streams.TSQR(chunksOf(a, [50]), { tolerance: 1e-12 })
    expect(space.rank).toBe(8)
    const exact = await rowSpace(a, { rank: { policy: 'tolerance', tolerance: 1e-12 } })
    const relative = space.singularValues.map((value, i) => value / exact.singularValues[i]!)
    expect(largestDifference(relative, Array(8).fill(1))).toBeLessThan(1e-4)
  })

  it('rises for centred rows with what the mean outweighs', async () => {
    using gram = new GramAccumulator(8)
    await gram.add(matrix(400, 8, 8, 0).add(1e4))
    await expect(rowSpaceOfGram(gram, { tolerance: 1e-6, centred: true })).rejects.toEqual(
      code('ERR_TOLERANCE'),
    )
    expect((await rowSpaceOfGram(gram, { centred: true })).rank).toBe(8)
  })

  it('is that of panels as of one: wider than a panel it is AᵀA too', async () => {
    const a = randn([40, 1100], 3)
    using gram = new GramAccumulator(1100)
    await Promise.all([gram.add(a.narrow(0, 0, 13)), gram.add(a.narrow(0, 13, 27))])
    const wide = a.to('float64')
    expect(gram.rows).toBe(40)
    expect(largest(gram.gram().sub(wide.t().matmul(wide)))).toBeLessThan(1e-12)
    expect(largest(gram.mean().sub(wide.mean([0])))).toBeLessThan(1e-15)
    const spread = wide.sub(wide.mean([0]))
    expect(largest(gram.scatter().sub(spread.t().matmul(spread)))).toBeLessThan(1e-12)
  })
})
