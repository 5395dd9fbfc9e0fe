import { describe, expect, it } from 'vitest'
import { complex, type Tensor, torch } from '../../../src/index.js'
import { Complex, type DType, type Scalar } from '../../../src/torch/index.js'

import { reference } from '../../support/python.js'

const dtypes: DType[] = [
  ...(['float64', 'float32', 'float16', 'bfloat16'] as const),
  ...(['float8_e4m3fn', 'float8_e4m3fnuz', 'float8_e5m2', 'float8_e5m2fnuz'] as const),
  ...(['int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8', 'bool'] as const),
  ...(['complex32', 'complex64', 'complex128'] as const),
]
const code = (expected: string) => expect.objectContaining({ code: expected })
const plain = (value: number | Complex) => (value instanceof Complex ? [value.re, value.im] : value)

describe('dtypes', () => {
  const values = [0, 1, 2.75, 100.3, 3]

  it('hold the bits and the numbers that Python holds', async () => {
    const python = await reference('dtypes', { values, dtypes })
    for (const dtype of dtypes) {
      const tensor = torch.tensor(values, { dtype })
      expect(tensor.dtype).toBe(dtype)
      expect(tensor.toBuffer().toString('base64'), dtype).toBe(python[dtype].base64)
      expect((tensor.toArray<number | Complex>() as (number | Complex)[]).map(plain), dtype).toEqual(
        python[dtype].list,
      )
      expect(plain(tensor.at(2).item<number | Complex>()), dtype).toEqual(python[dtype].list[2])
      // And back from the bits, without a copy.
      const again = torch.fromBuffer(tensor.toTypedArray(), { dtype })
      expect(again.toBuffer().equals(tensor.toBuffer()), dtype).toBe(true)
    }
  })

  it.each<[DType, unknown]>([
    ['float16', new Uint16Array([0x3e00])],
    ['bfloat16', new Uint16Array([0x3fc0])],
    ['float8_e4m3fn', new Uint8Array([0x3c])],
    ['uint64', new BigUint64Array([1n])],
    ['uint32', new Uint32Array([1])],
    ['complex64', new Float32Array([1.5, 0])],
    ['complex128', new Float64Array([1.5, 0])],
    ['bool', new Uint8Array([1])],
  ])('give %s as typed arrays of their bits or numbers', (dtype, array) => {
    expect(torch.tensor([1.5], { dtype }).toTypedArray()).toEqual(array)
  })

  it('convert typed arrays, which bring a dtype of their own', () => {
    expect(torch.tensor(new Uint16Array([1, 65535])).dtype).toBe('uint16')
    expect(torch.tensor(new BigUint64Array([2n ** 64n - 1n])).toTypedArray()).toEqual(
      new BigUint64Array([2n ** 64n - 1n]),
    )
    expect(torch.tensor(new Float32Array([1.5]), { dtype: 'float16' }).toTypedArray()).toEqual(
      new Uint16Array([0x3e00]),
    )
    expect(torch.tensor(new Float32Array([2, 0]), { dtype: 'bool' }).toArray()).toEqual([1, 0])
  })

  it('read integers beyond 2^53 as bigints only', () => {
    const large = torch.tensor([2n ** 62n])
    expect(large.itemBigInt()).toBe(2n ** 62n)
    expect(() => large.item()).toThrow(code('ERR_RANGE'))
    expect(() => large.toArray()).toThrow(code('ERR_RANGE'))
    expect(torch.tensor([2n ** 64n - 1n], { dtype: 'uint64' }).itemBigInt()).toBe(2n ** 64n - 1n)
    expect(torch.tensor(7n).itemBigInt()).toBe(7n)
    expect(() => torch.tensor(7).itemBigInt()).toThrow(code('ERR_DTYPE'))
  })

  it('refuse numbers that an integer cannot hold, and unknown names', () => {
    for (const [value, dtype] of [
      [300, 'uint8'],
      [-1, 'uint8'],
      [128, 'int8'],
      [Number.NaN, 'int64'],
      [2 ** 63, 'int64'],
      [Number.POSITIVE_INFINITY, 'int32'],
    ] as const) {
      expect(() => torch.tensor([value], { dtype }), `${value} ${dtype}`).toThrow(code('ERR_RANGE'))
    }
    expect(() => torch.tensor([2n ** 63n])).toThrow(code('ERR_RANGE'))
    expect(() => torch.tensor([-1n], { dtype: 'uint64' })).toThrow(code('ERR_RANGE'))
    expect(() => torch.tensor([1], { dtype: 'float23' as DType })).toThrow(code('ERR_DTYPE'))
    expect(torch.tensor([127.9, -128.9], { dtype: 'int8' }).toArray()).toEqual([127, -128])
  })

  it('read sparse and quantised tensors as their values', () => {
    expect(torch.eye(2).to_sparse().toArray()).toEqual([
      [1, 0],
      [0, 1],
    ])
    const quantised = torch.quantize_per_tensor(torch.tensor([1, 2.5]), 0.5, 10, 'quint8')
    expect(quantised.toArray()).toEqual([1, 2.5])
    expect(quantised.toTypedArray()).toEqual(new Uint8Array([12, 15]))
  })
})

describe('complex numbers', () => {
  it('are elements, alone or beside real numbers', () => {
    const z = torch.tensor([[complex(1, -2), 3]])
    expect(z.dtype).toBe('complex64')
    expect(z.toArray<Complex>()).toEqual([[complex(1, -2), complex(3)]])
    expect(z.toTypedArray()).toEqual(new Float32Array([1, -2, 3, 0]))
    expect(torch.tensor(complex(0.1, 0.2), { dtype: 'complex128' }).item<Complex>()).toEqual(
      complex(0.1, 0.2),
    )
    expect(() => torch.tensor([complex(1, 2)], { dtype: 'float32' })).toThrow(code('ERR_DTYPE'))
  })

  it('are scalars of operators, and results', () => {
    const i = complex(0, 1)
    expect(torch.tensor([2]).mul(i).toArray()).toEqual([complex(0, 2)])
    expect(torch.full([1], i, { dtype: 'complex64' }).item()).toEqual(i)
    expect(torch.add(torch.tensor([i]), torch.tensor([2]), { alpha: i }).item()).toEqual(complex(0, 3))
    expect(torch.tensor([i]).square().item()).toEqual(complex(-1, 0))
    expect(torch._local_scalar_dense(torch.tensor(i))).toEqual(i)
    expect(() => torch.leaky_relu(torch.ones([1]), i)).toThrow()
  })

  it('are read through a pending conjugation', () => {
    expect(
      torch
        .tensor([complex(1, 2)])
        .conj()
        .toArray(),
    ).toEqual([complex(1, -2)])
  })
})

describe('operators on numbers', () => {
  it("give the dtypes and values of Python's", async () => {
    // A whole number of JavaScript is an int; Python's 2.0 has no like.
    const scalars: Record<string, Scalar> = { '2': 2, '2.5': 2.5, True: true, '-3': -3, '1j': complex(0, 1) }
    const operators = [
      'add',
      'sub',
      'mul',
      'div',
      'true_divide',
      'floor_divide',
      'pow',
      'remainder',
      'bitwise_and',
      'eq',
      'maximum',
    ] as const
    const tensors: DType[] = [
      'float32',
      'float64',
      'float16',
      'bfloat16',
      'int64',
      'int32',
      'uint8',
      'bool',
      'complex64',
    ]
    const python = await reference('promotion', { operators, scalars: Object.keys(scalars), dtypes: tensors })
    const apply = (name: (typeof operators)[number], a: Tensor | Scalar, b: Tensor | Scalar) => {
      try {
        const result = (torch[name] as (a: unknown, b: unknown) => Tensor)(a, b)
        const value = result.item<number | Complex>()
        return [result.dtype, value instanceof Complex ? [value.re, value.im] : [value, 0]]
      } catch {
        return 'error'
      }
    }
    let compared = 0
    for (const name of operators) {
      const check = (a: string, b: string, left: Tensor | Scalar, right: Tensor | Scalar) => {
        const text = `${name}(${a}, ${b})`
        // Where Python takes no number at all, ours are more lenient.
        if (python[text] === 'error') return
        compared++
        expect(apply(name, left, right), text).toEqual(python[text])
      }
      for (const [text, scalar] of Object.entries(scalars)) {
        for (const dtype of tensors) {
          const tensor = torch.tensor([3], { dtype })
          check(dtype, text, tensor, scalar)
          check(text, dtype, scalar, tensor)
        }
        for (const [other, second] of Object.entries(scalars)) check(text, other, scalar, second)
      }
    }
    expect(compared).toBeGreaterThan(500)
  })

  it('are typed if Python takes numbers', () => {
    expect(torch.add(2, torch.tensor([1])).toArray()).toEqual([3])
    expect(torch.mul(2.5, 3).item()).toBe(7.5)
    // @ts-expect-error: Python's torch.sqrt takes no number
    expect(torch.sqrt(4).item()).toBe(2)
  })
})
