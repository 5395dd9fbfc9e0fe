import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { complex, torch } from '../../../src/index.js'
import type { Complex, NestedArray, TypedArray } from '../../../src/torch/index.js'

describe('Tensor', () => {
  it.each<[string, TypedArray]>([
    ['float32', new Float32Array([1.5, -2])],
    ['float64', new Float64Array([1 / 3, Number.MAX_VALUE])],
    ['int64', new BigInt64Array([2n ** 62n, -1n])],
    ['int32', new Int32Array([2 ** 31 - 1, -1])],
    ['uint8', new Uint8Array([0, 255])],
  ])('keeps a typed array of %s', (dtype, array) => {
    const tensor = torch.tensor(array)
    expect(tensor.dtype).toBe(dtype)
    expect(tensor.toTypedArray()).toEqual(array)
  })

  it('holds booleans as bytes', () => {
    const tensor = torch.tensor([true, false])
    expect(tensor.dtype).toBe('bool')
    expect(tensor.toTypedArray()).toEqual(new Uint8Array([1, 0]))
  })

  it('takes a part of a larger buffer', () => {
    const part = new Float32Array([9, 1, 2, 9]).subarray(1, 3)
    expect(torch.tensor(part).toArray()).toEqual([1, 2])
  })

  it('reads views in row-major order', () => {
    const tensor = torch
      .tensor([
        [1, 2, 3],
        [4, 5, 6],
      ])
      .t()
    expect(tensor.shape).toEqual([3, 2])
    expect(tensor.toArray()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ])
  })

  it('converts numbers to the dtype asked for without passing through float32', () => {
    expect(torch.tensor([0.1], { dtype: 'float64' }).item()).toBe(0.1)
    expect(torch.tensor([2 ** 40 + 1], { dtype: 'int64' }).item()).toBe(2 ** 40 + 1)
    expect(torch.tensor(7).shape).toEqual([])
    expect(torch.tensor([]).shape).toEqual([0])
  })

  it('refuses ragged arrays, mixed kinds and a shape that does not fit', () => {
    const code = (expected: string) => expect.objectContaining({ code: expected })
    expect(() => torch.tensor([[1, 2], [3]])).toThrow(code('ERR_SHAPE'))
    expect(() => torch.tensor([[1], 2] as NestedArray<number>)).toThrow(code('ERR_SHAPE'))
    expect(() => torch.tensor([1, true] as number[])).toThrow(code('ERR_DTYPE'))
    expect(() => torch.tensor(new Float32Array(3), { shape: [2, 2] })).toThrow(code('ERR_SHAPE'))
    expect(() => torch.tensor([1], { device: 'nowhere' })).toThrow(code('ERR_DEVICE'))
    const endless: NestedArray<number>[] = []
    endless.push(endless, endless)
    expect(() => torch.tensor(endless)).toThrow(code('ERR_SHAPE'))
    expect(() => torch.ones([1]).at(endless)).toThrow(code('ERR_SHAPE'))
  })

  it('gives item() of one element only', () => {
    expect(torch.tensor([[5]]).item()).toBe(5)
    expect(() => torch.ones([2]).item()).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }))
  })

  it('distinguishes a device that does not exist from a malformed one', () => {
    const code = expect.objectContaining({ code: 'ERR_DEVICE' })
    expect(() => torch.tensor([1], { device: 'cuda:99' })).toThrow("but received 'cuda:99'")
    expect(() => torch.tensor([1], { device: 'cuda:99' })).toThrow(code)
  })

  it('refuses values of another kind with a code', () => {
    const tensor = torch.ones([1])
    const assign = () => {
      tensor.requiresGrad = 'yes' as unknown as boolean
    }
    expect(assign).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })

  it('is gone once disposed of', () => {
    const tensor = torch.ones([2])
    tensor.dispose()
    tensor.dispose()
    expect(tensor.disposed).toBe(true)
    expect(() => tensor.add(1)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    expect(inspect(tensor)).toBe('Tensor (disposed)')
  })

  it('reports what it is', () => {
    const x = torch.zeros([2, 3]).requires_grad_()
    const y = x.t().add(1)
    expect([x.ndim, x.layout, x.size(), x.size(-1), x.T.shape]).toEqual([2, 'strided', [2, 3], 3, [3, 2]])
    expect([x.stride(), x.stride(0), x.t().stride(), x.numel()]).toEqual([[3, 1], 3, [1, 3], 6])
    expect([x.isLeaf, x.gradFn, y.isLeaf, x.exp().gradFn]).toEqual([true, null, false, 'ExpBackward0'])
    expect([x.is_contiguous(), x.t().is_contiguous(), x.select(0, 1).storage_offset()]).toEqual([
      true,
      false,
      3,
    ])
    expect(torch.eye(2).to_sparse().layout).toBe('sparse_coo')
    expect(() => x.size(2)).toThrow(expect.objectContaining({ code: 'ERR_INDEX' }))
    expect(() => torch.tensor(1).stride(0)).toThrow(expect.objectContaining({ code: 'ERR_INDEX' }))
  })

  it('is iterated over along its first dimension', () => {
    const rows = [...torch.arange(6).view([3, 2])]
    expect(rows.map((row) => row.toArray())).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ])
    expect([...torch.zeros([0, 2])]).toEqual([])
    expect(() => [...torch.tensor(1)]).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }))
  })

  it('is converted as in Python, and shares its memory if nothing changes', () => {
    const x = torch.tensor([1.5])
    const dtypes = [
      x.double(),
      x.float(),
      x.half(),
      x.bfloat16(),
      x.long(),
      x.int(),
      x.short(),
      x.char(),
      x.byte(),
      x.bool(),
    ]
    expect(dtypes.map(({ dtype }) => dtype)).toEqual([
      ...['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'],
    ])
    expect(x.to('int64').item()).toBe(1)
    expect(x.to('cpu', 'float64').dtype).toBe('float64')
    expect(x.to('meta', { dtype: 'int8' })).toMatchObject({ device: 'meta', dtype: 'int8' })
    expect(x.to(torch.tensor([1n])).dtype).toBe('int64')
    expect(x.to({ dtype: 'float16', device: 'meta' })).toMatchObject({ device: 'meta', dtype: 'float16' })
    x.to('float32').fill_(2)
    x.cpu().add_(1)
    x.to({ copy: true }).fill_(9)
    expect(x.item()).toBe(3)
    const image = torch.zeros([1, 3, 2, 2]).to({ memory_format: 'channels_last' })
    expect(image.stride()).toEqual([12, 1, 6, 3])
    expect(torch.ones([1]).requires_grad_().double().gradFn).toBe('ToCopyBackward0')
  })

  it('refuses to be converted to what there is not', () => {
    const x = torch.ones([1])
    const code = (expected: string) => expect.objectContaining({ code: expected })
    expect(() => x.to('cuda:99')).toThrow(code('ERR_DEVICE'))
    expect(() => x.to('float23')).toThrow(code('ERR_DEVICE'))
    expect(() => x.to({ nonBlocking: true } as object)).toThrow("received 'nonBlocking'")
    expect(() => x.to({ memory_format: 'rows' as never })).toThrow(code('ERR_INVALID_ARGUMENT'))
    // @ts-expect-error: a number is neither a dtype nor a device
    expect(() => x.to(1)).toThrow()
  })

  it('is typed', () => {
    const x = torch.ones([1])
    expectTypeOf(x.item()).toEqualTypeOf<number>()
    expectTypeOf(x.item<Complex>).returns.toEqualTypeOf<Complex>()
    expectTypeOf(x.toTypedArray<Float32Array>()).toEqualTypeOf<Float32Array>()
    expectTypeOf(x.size(0)).toEqualTypeOf<number>()
    expectTypeOf(x.size()).toEqualTypeOf<readonly number[]>()
    expectTypeOf(torch.add).toBeCallableWith(1, complex(0, 1))
  })

  it('draws the same numbers from the same seed', () => {
    const draw = (seed: number) => torch.rand([3], { generator: new torch.Generator(seed) }).toArray()
    expect(draw(1)).toEqual(draw(1))
    expect(draw(1)).not.toEqual(draw(2))
  })
})
