import { describe, expect, expectTypeOf, it } from 'vitest'
import { Tensor, torch } from '../../../src/index.js'
import { callOperator } from '../../../src/torch/index.js'

const values = (tensor: Tensor) => tensor.toArray()

describe('operators', () => {
  it('take positional and keyword arguments and resolve overloads', () => {
    const x = torch.tensor([1, 2, 3])
    expect(values(torch.add(x, x, { alpha: 2 }))).toEqual([3, 6, 9])
    expect(values(x.add(1))).toEqual([2, 3, 4])
    expect(values(torch.pow(x, 2))).toEqual([1, 4, 9])
    expect(values(torch.pow(2, x))).toEqual([2, 4, 8])
    expect(values(x.sum([0], { keepdim: true }))).toEqual([6])
    expect(torch.zeros([2, 1], { dtype: 'float64' }).dtype).toBe('float64')
  })

  it('turn whole numbers into floats if the schema asks, and keep integer tensors integer', () => {
    expect(torch.leaky_relu(torch.tensor([-1]), 2).item()).toBe(-2)
    expect(torch.tensor([1n]).add(1).dtype).toBe('int64')
    expect(torch.tensor([1n]).add(0.5).dtype).toBe('float32')
  })

  it('take lists of tensors, optional tensors and null', () => {
    const x = torch.arange(6).view([2, 3])
    expect(values(torch.cat([x, x]))).toEqual([...(values(x) as number[][]), ...(values(x) as number[][])])
    expect(values(torch.index(x, [null, torch.tensor([2n])]))).toEqual([[2], [5]])
    expect(torch.linear(torch.ones([1, 2]), torch.ones([3, 2]), null).shape).toEqual([1, 3])
  })

  it('return several results as a tuple', () => {
    const [largest, where] = torch.max(torch.tensor([[1, 5, 2]]), 1)
    expect([values(largest), values(where)]).toEqual([[5], [1]])
    expectTypeOf(torch.max(largest, 0)).toEqualTypeOf<[Tensor, Tensor]>()
  })

  it('write in place', () => {
    const x = torch.zeros([2])
    x.add_(3)
    expect(values(x)).toEqual([3, 3])
  })

  it('run off the event loop under torch.async', async () => {
    const a = torch.tensor(
      [
        [2, 0],
        [0, 3],
      ],
      { dtype: 'float64' },
    )
    const [, sigma] = await torch.async.linalg_svd(a, { full_matrices: false })
    expect(values(sigma)).toEqual([3, 2])
    await expect(torch.async.matmul(a, torch.ones([3]))).rejects.toMatchObject({ code: 'ERR_TORCH' })
  })

  it('solve with the pseudo-inverse', () => {
    const a = torch.tensor(
      [
        [1, 0, 0],
        [0, 2, 0],
      ],
      { dtype: 'float64' },
    )
    const pinv = torch.linalg_pinv(a, { rtol: 1e-6 })
    expect(values(a.matmul(pinv))).toEqual([
      [1, 0],
      [0, 1],
    ])
  })

  it('are reached by their full names, overloads too', () => {
    expect(callOperator('aten::add.Scalar', torch.ones([1]), 2)).toBeInstanceOf(Tensor)
    expect(() => callOperator('aten::nonsense')).toThrow(
      expect.objectContaining({ code: 'ERR_OPERATOR_UNKNOWN' }),
    )
  })

  it('list the candidates and the failing argument if nothing fits', () => {
    const attempt = () => callOperator('aten::relu', 'x')
    expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_OPERATOR_ARGUMENTS' }))
    expect(attempt).toThrow("argument 'self' expects Tensor but received 'x'")
    expect(() => callOperator('aten::add', torch.ones([1]))).toThrow(
      /add\.Tensor[\s\S]*'other' \(Tensor\) is missing/,
    )
  })

  it('report a shape error with the shapes, a code and this file in the stack', () => {
    const attempt = () => torch.matmul(torch.ones([2, 3]), torch.ones([2, 3]))
    expect(attempt).toThrow(/2x3 and 2x3/)
    try {
      attempt()
    } catch (error) {
      expect((error as Error).stack).toContain('operators.test.ts')
      expect((error as Error).message).not.toContain('Exception raised from')
    }
  })

  it('refuse what is no tensor, number, string, array or plain object', () => {
    expect(() => callOperator('aten::relu', new Date())).toThrow('but received a Date')
    expect(() => callOperator('aten::relu', () => 0)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })

  it('are typed', () => {
    // @ts-expect-error: the first argument is a tensor
    expect(() => torch.relu(1)).not.toThrow(TypeError)
    // @ts-expect-error: there is no such option
    expect(() => torch.sum(torch.ones([1]), { keepdims: true })).toThrow("no argument 'keepdims'")
    expectTypeOf(torch.async.relu).returns.toEqualTypeOf<Promise<Tensor>>()
  })

  it('record for gradients unless told not to', async () => {
    const x = torch.tensor([3], { requiresGrad: true })
    const [slope] = await torch.autograd.grad([x.square().sum()], [x])
    expect(slope!.item()).toBe(6)
    expect(torch.noGrad(() => x.square()).requiresGrad).toBe(false)
  })
})
