import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'
import { GramAccumulator, rowSpaceOfGram, spectrumOfGram } from '../../../src/shift/solve/gram.js'
import { blockLength, blocksOf } from '../../../src/shift/solve/row-chunk.js'
import { cutAt, driftBounds } from '../../../src/shift/solve/spectrum.js'
import { rowSpaceOfTsqr, spectrumOfTsqr, TsqrAccumulator } from '../../../src/shift/solve/tsqr.js'
import { randn } from '../../support/random.js'

const eps = 2 ** -52
const largest = (tensor: Tensor) => tensor.abs().max().item()
const diagonal = (values: number[]) => torch.diag(torch.tensor(values, { dtype: 'float64' }))

async function gramOf(...chunks: Tensor[]): Promise<GramAccumulator> {
  const gram = new GramAccumulator(chunks[0]!.shape[1]!)
  for (const chunk of chunks) await gram.add(chunk)
  return gram
}

async function tsqrOf(...chunks: Tensor[]): Promise<TsqrAccumulator> {
  const tsqr = new TsqrAccumulator(chunks[0]!.shape[1]!)
  for (const chunk of chunks) await tsqr.add(chunk)
  return tsqr
}

describe('a Gram matrix', () => {
  it('is AᵀA, with its rows counted', async () => {
    const [a, b] = [randn([3, 4], 1, 'float64'), randn([2, 4], 2)]
    const gram = await gramOf(a, b)
    const all = torch.cat([a, b.to('float64')])
    expect([gram.features, gram.rows]).toEqual([4, 5])
    expect(largest(gram.gram().sub(all.t().matmul(all)))).toBeLessThan(1e-14)
    expect(largest(gram.mean().sub(all.mean([0])))).toBeLessThan(1e-15)
    gram.dispose()
  })

  it('has the roots of its eigenvalues, as many as there are rows at most', async () => {
    const spectrum = await spectrumOfGram(await gramOf(diagonal([4, 2, 1]).narrow(0, 0, 2)))
    expect(spectrum.singularValues).toEqual([expect.closeTo(4, 14), expect.closeTo(2, 14)])
    expect(spectrum.directions.shape).toEqual([3, 2])
    expect(
      largest(spectrum.directions.abs().sub(torch.eye(3, { dtype: 'float64' }).narrow(1, 0, 2))),
    ).toBeLessThan(1e-15)
    // √(m · eps · ‖G‖), with ‖G‖ = σ₁².
    expect(spectrum.uncertainty / (4 * Math.sqrt(3 * eps))).toBeCloseTo(1, 12)
  })

  it('of centred rows has one direction less, and the uncertainty of the rows as they came', async () => {
    const a = randn([3, 4], 3, 'float64').add(100)
    const spectrum = await spectrumOfGram(await gramOf(a), { centred: true })
    expect(spectrum.singularValues).toHaveLength(2)
    const sigma = torch.linalg_svdvals(a.sub(a.mean([0]))).toArray() as number[]
    for (const i of [0, 1]) expect(spectrum.singularValues[i]).toBeCloseTo(sigma[i]!, 6)
    const norm = a.t().matmul(a).norm().item()
    expect(spectrum.uncertainty / Math.sqrt(4 * eps * norm)).toBeCloseTo(1, 12)
    const one = await spectrumOfGram(await gramOf(a.narrow(0, 0, 1)), { centred: true })
    expect([one.singularValues, one.directions.shape]).toEqual([[], [4, 0]])
  })

  // √(4 · eps) is 2⁻²⁵ exactly.
  it('is cut no lower than it resolves', async () => {
    const gram = await gramOf(diagonal([1, 2e-6, 5e-7, 0]))
    expect((await rowSpaceOfGram(gram)).rank).toBe(2) // by default 1e-6
    expect((await rowSpaceOfGram(gram, { tolerance: 2 ** -25 })).rank).toBe(3)
    expect((await rowSpaceOfGram(gram, { tolerance: 0.5 })).rank).toBe(1)
    for (const tolerance of [2 ** -26, 0])
      await expect(rowSpaceOfGram(gram, { tolerance })).rejects.toMatchObject({ code: 'ERR_TOLERANCE' })
    for (const tolerance of [1, -0.1])
      await expect(rowSpaceOfGram(gram, { tolerance })).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      })
  })

  it('takes matrices of its width alone', async () => {
    for (const shape of [[2], [3, 2], [2, 3, 2], []]) {
      for (const accumulator of [new GramAccumulator(3), new TsqrAccumulator(3)]) {
        await expect(accumulator.add(torch.zeros(shape))).rejects.toMatchObject({
          code: 'ERR_SHAPE',
          message: expect.stringContaining(`[${shape.join(', ')}]`),
        })
      }
    }
  })

  it('of no rows, or of zeros, has no directions', async () => {
    expect(await rowSpaceOfGram(new GramAccumulator(3))).toMatchObject({ rank: 0, singularValues: [] })
    const zeros = await rowSpaceOfGram(await gramOf(torch.zeros([2, 3])), { tolerance: 0 })
    expect(zeros).toMatchObject({ rank: 0, singularValues: [0, 0] })
  })
})

describe('a factor', () => {
  it('is one of [1 A], whatever chunks came', async () => {
    const all = randn([9, 3], 1, 'float64')
    const joined = torch.cat([torch.ones([9, 1], { dtype: 'float64' }), all], 1)
    for (const sizes of [[9], [1, 1, 7], [4, 5], [2, 2, 2, 3]]) {
      const tsqr = await tsqrOf(...all.split_with_sizes(sizes))
      const factor = await tsqr.factor()
      expect([tsqr.features, tsqr.rows, factor.shape]).toEqual([3, 9, [4, 4]])
      expect(largest(factor.t().matmul(factor).sub(joined.t().matmul(joined)))).toBeLessThan(1e-13)
      expect(largest(factor.tril(-1))).toBe(0)
      // Again, and after more rows.
      await tsqr.add(all.narrow(0, 0, 1))
      const more = torch.cat([joined, joined.narrow(0, 0, 1)])
      const later = await tsqr.factor()
      expect(largest(later.t().matmul(later).sub(more.t().matmul(more)))).toBeLessThan(1e-13)
      tsqr.dispose()
    }
  })

  it('takes rows that are added at the same time, and continues after invalid rows', async () => {
    const all = randn([9, 3], 1, 'float64')
    const tsqr = new TsqrAccumulator(3)
    const refused = tsqr.add(torch.zeros([2, 4]))
    await Promise.all([tsqr.add(all.narrow(0, 0, 5)), tsqr.add(all.narrow(0, 5, 4)), refused.catch(() => {})])
    await expect(refused).rejects.toMatchObject({ code: 'ERR_SHAPE' })
    const factor = await tsqr.factor()
    expect(tsqr.rows).toBe(9)
    expect(factor.select(1, 0).abs().narrow(0, 0, 1).item()).toBeCloseTo(3, 12) // √9
  })

  it('has the singular values of A, and the uncertainty of m · eps · ‖[1 A]‖', async () => {
    const a = randn([6, 3], 2, 'float64').add(2)
    const tsqr = await tsqrOf(a)
    for (const centred of [false, true]) {
      const spectrum = await spectrumOfTsqr(tsqr, { centred })
      const sigma = torch.linalg_svdvals(centred ? a.sub(a.mean([0])) : a).toArray() as number[]
      expect(spectrum.singularValues).toEqual(sigma.map((value) => expect.closeTo(value, 12)))
      const norm = Math.sqrt(a.square().sum().item() + 6)
      expect(spectrum.uncertainty / (3 * eps * norm)).toBeCloseTo(1, 12)
    }
  })

  it('is cut at 10⁻¹² by default', async () => {
    const tsqr = await tsqrOf(diagonal([1, 1e-11, 1e-13]))
    expect((await rowSpaceOfTsqr(tsqr)).rank).toBe(2)
    expect((await rowSpaceOfTsqr(tsqr, { tolerance: 1e-10 })).rank).toBe(1)
    expect((await rowSpaceOfTsqr(tsqr, { tolerance: 0 })).rank).toBe(3)
    for (const tolerance of [1, -0.1]) {
      const refused = { code: 'ERR_INVALID_ARGUMENT' }
      await expect(rowSpaceOfTsqr(tsqr, { tolerance })).rejects.toMatchObject(refused)
      await expect(spectrumOfTsqr(tsqr, { tolerance })).rejects.toMatchObject(refused)
    }
  })

  it('of no rows, or of one row less its mean, has no directions', async () => {
    for (const centred of [false, true]) {
      expect(await rowSpaceOfTsqr(new TsqrAccumulator(3), { centred })).toMatchObject({
        rank: 0,
        singularValues: [],
      })
    }
    const one = await tsqrOf(torch.ones([1, 3]))
    expect(await rowSpaceOfTsqr(one, { centred: true })).toMatchObject({ rank: 0, singularValues: [] })
    expect(await rowSpaceOfTsqr(one)).toMatchObject({
      rank: 1,
      singularValues: [expect.closeTo(Math.sqrt(3), 12)],
    })
  })
})

describe('a spectrum', () => {
  const spectrum = {
    directions: torch.eye(3, { dtype: 'float64' }),
    singularValues: [4, 2, 1],
    uncertainty: 0.5,
  }

  it('is cut above the tolerance', () => {
    const rankAt = (tolerance: number) => cutAt(spectrum, tolerance)
    expect([0, 0.2, 0.25, 0.3, 0.5, 0.6].map((tolerance) => rankAt(tolerance).rank)).toEqual([
      3, 3, 2, 2, 1, 1,
    ])
    expect(rankAt(0.3)).toMatchObject({ singularValues: [4, 2, 1], filter: null })
    expect(rankAt(0.3).basis.shape).toEqual([3, 2])
    expect(cutAt({ ...spectrum, singularValues: [], directions: torch.zeros([3, 0]) }, 0).rank).toBe(0)
  })

  it('bounds what a cut moves by the energies beyond it, and what is hidden', () => {
    const v = torch.tensor([[1, 0], [1, 0], [3, 1]], { dtype: 'float64' }) // biome-ignore format: a matrix
    // Of the first column Σσ²q² beyond r is 16 + 4 + 9, 4 + 9, 9, 0, and what is lost of its square 11, 10, 9, 0.
    const expected = [29 + 11 / 4, 13 + 10 / 4, 9 + 9 / 4, 0].map(Math.sqrt)
    expect([...driftBounds(spectrum, v)]).toEqual(expected.map((bound) => expect.closeTo(bound, 12)))
    expect([...driftBounds({ ...spectrum, uncertainty: 0 }, v)]).toEqual(
      [29, 13, 9, 0].map((square) => expect.closeTo(Math.sqrt(square), 12)),
    )
  })
})

describe('blocks of rows', () => {
  it('take 32 MiB in float64, and one row at least', () => {
    expect([1, 1024, 2 ** 22, 2 ** 23].map(blockLength)).toEqual([2 ** 22, 4096, 1, 1])
  })

  it('hold all rows in their order, in float64', async () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const rows = torch
        .arange(3, { dtype })
        .unsqueeze(1)
        .expand([3, 2 ** 21])
      const blocks: (readonly [readonly number[], string, number, number])[] = []
      for await (const block of blocksOf(rows, 2 ** 21)) {
        blocks.push([block.shape, block.dtype, block.min().item(), block.max().item()])
      }
      expect(blocks).toEqual([
        [[2, 2 ** 21], 'float64', 0, 1],
        [[1, 2 ** 21], 'float64', 2, 2],
      ])
    }
  })
})
