import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { slice, type Tensor, torch } from '../../../src/index.js'
import type { Index, Slice } from '../../../src/torch/index.js'

import { reference } from '../../support/python.js'

type Spec =
  | number
  | boolean
  | null
  | '...'
  | { slice: [number | null, number | null, number | null] }
  | { positions: number[]; shape: number[] }
  | { mask: boolean[]; shape: number[] }

const seed = 4711
const bound = fc.option(fc.integer({ min: -6, max: 6 }))
const spec = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -4, max: 3 }) },
  {
    weight: 4,
    arbitrary: fc.record({
      slice: fc.tuple(bound, bound, fc.option(fc.integer({ min: 0, max: 3 }), { freq: 2 })),
    }),
  },
  { weight: 1, arbitrary: fc.constant(null) },
  { weight: 2, arbitrary: fc.constant('...' as const) },
  { weight: 1, arbitrary: fc.boolean() },
  {
    weight: 4,
    arbitrary: fc.constantFrom<number[]>([], [1], [2], [3], [1, 2], [3, 1], [0]).chain((shape) =>
      fc.record({
        positions: fc.array(fc.integer({ min: -3, max: 2 }), sized(shape)),
        shape: fc.constant(shape),
      }),
    ),
  },
  // A mask covers the next one or two dimensions, whatever they are; its bits repeat.
  {
    weight: 3,
    arbitrary: fc.record({
      mask: fc.array(fc.boolean(), { minLength: 3, maxLength: 7 }),
      dims: fc.integer({ min: 0, max: 2 }),
    }),
  },
)

function sized(shape: number[]) {
  const length = shape.reduce((a, b) => a * b, 1)
  return { minLength: length, maxLength: length }
}

const cases = fc
  .sample(
    fc.record({
      shape: fc.array(fc.constantFrom<number>(0, 1, 2, 3, 3, 4, 4, 5), { maxLength: 4 }),
      index: fc.array(spec, { maxLength: 5 }),
    }),
    { seed, numRuns: 1500 },
  )
  .filter(({ index }) => index.filter((one) => one === '...').length < 2)
  .map(({ shape, index }) => {
    let dim = 0
    const specs = index.map((one): Spec => {
      if (one === null || typeof one !== 'object' || !('mask' in one)) {
        if (one === '...') dim = Math.max(0, shape.length - index.length)
        else if (one !== null && typeof one !== 'boolean') dim++
        return one
      }
      const extents = shape.slice(dim, dim + one.dims)
      dim += one.dims
      const length = extents.reduce((a, b) => a * b, 1)
      return { mask: Array.from({ length }, (_, i) => one.mask[i % one.mask.length]!), shape: extents }
    })
    return { shape, index: specs }
  })

function indexOf(one: Spec): Index {
  if (one === null || typeof one !== 'object') return one
  if ('slice' in one) return slice(...one.slice)
  if ('positions' in one)
    return torch.tensor(new BigInt64Array(one.positions.map(BigInt)), { shape: one.shape })
  return torch.tensor(Uint8Array.from(one.mask, Number), { shape: one.shape, dtype: 'bool' })
}

const fresh = (shape: number[]) =>
  torch
    .arange(
      shape.reduce((a, b) => a * b, 1),
      { dtype: 'float32' },
    )
    .reshape(shape)
const document = (tensor: Tensor) => ({ shape: tensor.shape, values: [...tensor.toTypedArray()] })

async function run({ shape, index }: { shape: number[]; index: Spec[] }) {
  const indices = index.map(indexOf)
  try {
    const read = fresh(shape).at(...indices)
    const weights = torch.arange(1, read.numel() + 1, { dtype: 'float32' }).reshape(read.shape)
    const leaf = fresh(shape).requires_grad_()
    const written = fresh(shape).setAt(indices, weights.neg())
    const filled = fresh(shape).setAt(indices, -9)
    const [gradient] = await torch.autograd.grad(
      [
        leaf
          .at(...indices)
          .mul(weights)
          .sum(),
      ],
      [leaf],
    )
    return {
      read: document(read),
      written: document(written),
      filled: document(filled),
      gradient: document(gradient!),
    }
  } catch (error) {
    return { error: error as Error & { code: string } }
  }
}

const x = torch.arange(12).reshape([3, 4])

describe('indexing', () => {
  it(`reads, writes and has gradients as Python's (${cases.length} cases, seed ${seed})`, async () => {
    const python = (await reference('indexing', { cases })).cases
    let errors = 0
    for (const [i, one] of cases.entries()) {
      const ours = await run(one)
      const text = JSON.stringify(one)
      if ('error' in python[i]) {
        errors++
        expect(ours, text).toHaveProperty('error')
        expect(['ERR_INDEX', 'ERR_TORCH'], text).toContain(ours.error!.code)
      } else {
        expect(ours, text).toEqual(python[i])
      }
    }
    // Both kinds are there: the comparison is no comparison of failures.
    expect(errors).toBeGreaterThan(100)
    expect(cases.length - errors).toBeGreaterThan(500)
  })

  it('takes arrays and typed arrays for positions, and arrays of booleans for masks', () => {
    expect(x.at([0, 2]).toArray()).toEqual([
      [0, 1, 2, 3],
      [8, 9, 10, 11],
    ])
    expect(x.at(slice(), new Uint8Array([3, 0])).shape).toEqual([3, 2])
    expect(x.at(new Int32Array([1])).toArray()).toEqual([[4, 5, 6, 7]])
    expect(x.at([true, false, true], 0).toArray()).toEqual([0, 8])
    expect(x.at([]).shape).toEqual([0, 4])
    expect(x.at([[0], [1]], [[1, 2]]).toArray()).toEqual([
      [1, 2],
      [5, 6],
    ])
  })

  it('gives a view of what numbers and slices take', () => {
    const y = torch.zeros([2, 2])
    y.at(0, slice(1)).fill_(7)
    expect(y.toArray()).toEqual([
      [0, 7],
      [0, 0],
    ])
  })

  it('writes numbers, complex ones too, tensors and arrays, and returns the tensor', () => {
    const y = torch.zeros([2, 3])
    expect(
      y
        .setAt([0, -1], 1)
        .setAt(1, [1, 2, 3])
        .setAt([[0], 0], new Float32Array([5])),
    ).toBe(y)
    expect(y.toArray()).toEqual([
      [5, 0, 1],
      [1, 2, 3],
    ])
    expect(y.setAt(y.gt(2), torch.tensor(-1)).toArray()).toEqual([
      [-1, 0, 1],
      [1, 2, -1],
    ])
  })

  it('refuses what is no index, out of range or too much, and says which', () => {
    const code = expect.objectContaining({ code: 'ERR_INDEX' })
    for (const bad of ['1:2', 1.5, Number.NaN, undefined, [0.5], { start: 1 }]) {
      expect(() => x.at(bad as Index), String(bad)).toThrow(code)
    }
    expect(() => x.at(1.5)).toThrow(code)
    expect(() => x.at(3)).toThrow('index 3 is out of bounds for dimension 0 with size 3')
    expect(() => x.at(3)).toThrow(code)
    expect(() => x.at([7])).toThrow('out of bounds')
    expect(() => x.at(0, 0, 0)).toThrow('too many indices')
    expect(() => x.at(slice(0, 2, -1))).toThrow('step must be greater than zero')
    expect(() => x.at(slice(0, 2, 0))).toThrow(code)
    expect(() => x.at([true, false])).toThrow('does not match')
  })

  it('refuses to write what is no value, or to memory that a pending call uses', async () => {
    const y = torch.zeros([300, 300])
    for (const bad of ['1', null, undefined, {}, () => 1]) {
      expect(() => y.setAt(0, bad as never), String(bad)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
    }
    const pending = torch.async.matmul(y, y)
    expect(() => y.setAt(0, 1)).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }))
    await pending
    y.setAt(0, 1)
  })

  it('records for gradients unless told not to', () => {
    const leaf = torch.ones([3], { dtype: 'float32' }).requires_grad_()
    expect(leaf.at([0]).requiresGrad).toBe(true)
    expect(torch.noGrad(() => leaf.at([0])).requiresGrad).toBe(false)
    expect(() => leaf.setAt(0, 1)).toThrow('leaf')
    torch.noGrad(() => leaf.setAt(0, 5))
    expect(leaf.detach().toArray()).toEqual([5, 1, 1])
  })

  it('is typed', () => {
    expectTypeOf(slice).returns.toEqualTypeOf<Slice>()
    // @ts-expect-error: a text is no index
    expect(() => x.at('a')).toThrow()
    // @ts-expect-error: an array is a list of indices where values are written
    expect(() => x.setAt('a', 1)).toThrow()
  })
})
