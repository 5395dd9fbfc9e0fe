import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { complex, type Tensor, torch } from '../../../src/index.js'
import type { Complex, DType, NestedValues } from '../../../src/torch/index.js'

import { temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'

const { NaN: nan, POSITIVE_INFINITY: inf } = Number
const of = (values: NestedValues, dtype?: DType) => torch.tensor(values, dtype && { dtype })
const countTo = (shape: number[], dtype: DType = 'float32') =>
  torch
    .arange(
      shape.reduce((a, b) => a * b, 1),
      { dtype },
    )
    .reshape(shape)

/** Tensors whose bytes Python is given, to print the same. */
const tables: Record<string, Tensor[]> = {
  'whole floats': [of([1, 2]), of([-1, 10, 100]), of(3), of([0, 0]), of([1e8, 1]), of([123456789, 1e8])],
  'floats with four digits': [
    of([1.5, -2.25]),
    of([0.1, 99.99999]),
    of(1 / 3),
    of([1e-4, 0.09]),
    of([[0.5], [100.25]]),
  ],
  'floats with exponents': [
    of([1e-5, 1]),
    of([1e10, 0.5]),
    of([1.5, 1501]),
    of(1e-30),
    of([-1e-20, 1e-20]),
    of([2e8, 1]),
  ],
  'halves at the last digit, which Python rounds to even': [
    of([0.03125, 0.09375, -0.15625]),
    of([100005, 0.5], 'float64'),
    of([1000150, 1000250, 0.5], 'float64'),
    of([9.99995, 1e6, 0.5], 'float64'),
  ],
  'what is no number': [
    of([nan, inf, -inf]),
    of([nan, 1]),
    of([inf, 1.5]),
    of([-inf, 1e-9]),
    of([nan, 0]),
    of(inf),
  ],
  'negative zero': [of(-0), of([-0, 1]), of([-0, 1.5]), of([-0, 1e-7]), of([-1e-7, -0.00001, 1e-4])],
  integers: [
    of([1n, -20n, 300n]),
    torch.tensor(new BigInt64Array([2n ** 63n - 1n, -(2n ** 63n)])),
    torch.tensor(new BigUint64Array([2n ** 64n - 1n])),
    of([1, 255], 'uint8'),
    of([-128, 127], 'int8'),
    of([1, 65535], 'uint16'),
    of(7, 'int32'),
    of([4e9], 'uint32'),
  ],
  booleans: [of([true, false]), of(true), of([[false], [false]])],
  'other floats': (
    ['float64', 'float16', 'bfloat16', 'float8_e4m3fn', 'float8_e5m2', 'float8_e8m0fnu'] as const
  ).flatMap((dtype) => [of([1, 2], dtype), of([0.5, 2], dtype), of([0.001, 2], dtype), of([4, 8], dtype)]),
  'complex numbers': [
    of([complex(1, 2), complex(-1, -2)]),
    of(complex(0, 1)),
    of([complex(0.5, -0), complex(1e-6, 3)]),
    of([complex(nan, inf), complex(-inf, nan)]),
    of([complex(1.25, 1e10), 2], 'complex128'),
    of([complex(1, 2), complex(0.5, 2)], 'complex32'),
    torch.complex(countTo([30, 40]), countTo([30, 40]).mul(-0.25)),
  ],
  'many dimensions': [
    countTo([2, 3, 4]),
    countTo([1, 2, 1, 2]),
    countTo([2, 2, 2, 2], 'int64'),
    countTo([1, 1, 1, 1, 1]),
  ],
  'no elements': [
    torch.zeros([0]),
    torch.zeros([0, 3]),
    torch.zeros([2, 0], { dtype: 'int64' }),
    of([], 'complex64'),
  ],
  'rows that break': [
    countTo([30]),
    countTo([2, 30]),
    countTo([100], 'int64').mul(1000),
    torch.ones([50], { dtype: 'bool' }),
  ],
  'a dtype near the end of a line': Array.from({ length: 30 }, (_, i) =>
    countTo([Math.floor(i / 2) + 4], i % 2 === 0 ? 'float64' : 'int16'),
  ),
  'thousand elements, and one more': [
    countTo([1000]),
    countTo([1001]),
    countTo([10, 100]),
    countTo([7, 143]),
  ],
  'many elements': [
    countTo([2000], 'int64'),
    countTo([30, 40]).sub(600.5),
    countTo([3, 400]),
    countTo([400, 3]),
    countTo([6, 7, 30]),
    countTo([7, 2, 8, 10]),
    countTo([2000]).mul(1e6),
    torch.ones([40, 40], { dtype: 'bool' }),
    countTo([2, 1, 800], 'float64'),
    countTo([1500], 'float16'),
  ],
}

const seed = 20260301
const random: Tensor[] = fc
  .sample(
    fc.tuple(
      fc.constantFrom<DType>(
        'float32',
        'float64',
        'float16',
        'bfloat16',
        'complex64',
        'int64',
        'int16',
        'bool',
      ),
      fc.array(fc.constantFrom<number>(0, 1, 1, 2, 3, 7, 9), { maxLength: 4 }),
      fc.constantFrom(1e-6, 1e-4, 0.01, 1, 100, 1e4, 1e8),
      fc.constantFrom(0, 2, 4),
      fc.integer(),
    ),
    { seed, numRuns: 150 },
  )
  .map(([dtype, shape, scale, zeros, start]) => {
    // Spread numbers, some of them zero, without a generator of tensors that Python would have to share.
    const size = shape.reduce((a, b) => a * b, 1)
    const values = Float64Array.from({ length: size }, (_, i) => {
      const part = Math.sin(start + i * 12.9898) * 43758.5453
      return zeros > 0 && i % zeros === 1 ? 0 : (part - Math.floor(part) - 0.5) * scale
    })
    return torch.tensor(values, { shape, dtype })
  })

/** The same tensors made by TypeScript and by Python. */
const expressions: [Tensor, python: string][] = [
  [torch.ones([2], { dtype: 'float32' }).requires_grad_(), 'torch.ones(2, requires_grad=True)'],
  [torch.ones([2]).requires_grad_().exp(), 'torch.ones(2, requires_grad=True).exp()'],
  [torch.ones([30]).requires_grad_().sin(), 'torch.ones(30, requires_grad=True).sin()'],
  [
    torch.ones([2, 2], { dtype: 'float64' }).requires_grad_().t(),
    'torch.ones(2, 2, dtype=torch.float64, requires_grad=True).t()',
  ],
  [
    torch
      .ones([2])
      .requires_grad_()
      .clone()
      .mul_(torch.ones([2])),
    'torch.ones(2, requires_grad=True).clone().mul_(torch.ones(2))',
  ],
  [
    torch.ones([2, 3], { device: 'meta', dtype: 'float16' }),
    "torch.ones(2, 3, device='meta', dtype=torch.float16)",
  ],
  [torch.eye(3).to_sparse(), 'torch.eye(3).to_sparse()'],
  [torch.zeros([2, 2]).to_sparse(), 'torch.zeros(2, 2).to_sparse()'],
  [torch.eye(3, { dtype: 'float64' }).to_sparse_csr(), 'torch.eye(3, dtype=torch.float64).to_sparse_csr()'],
  [torch.eye(4).to_sparse_bsc([2, 2]), 'torch.eye(4).to_sparse_bsc((2, 2))'],
  [torch.arange(6).t().conj(), 'torch.arange(6).t().conj()'],
  [torch.tensor([complex(1, 2)]).conj(), 'torch.tensor([1+2j]).conj()'],
  [
    torch
      .tensor([complex(1, 2)])
      .conj()
      .imag(),
    'torch.tensor([1+2j]).conj().imag',
  ],
  [torch.ones([1]).expand([2000]), 'torch.ones(1).expand(2000)'],
  [torch.arange(5000).reshape([50, 100]).t(), 'torch.arange(5000).reshape(50, 100).t()'],
  [
    torch.quantize_per_tensor(torch.tensor([1, 2]), 0.1, 10, 'quint8'),
    'torch.quantize_per_tensor(torch.tensor([1., 2.]), 0.1, 10, torch.quint8)',
  ],
]

describe('a tensor as text', async () => {
  const listed = Object.values(tables).flat()
  const file = join(temporaryFolder(), 'tensors.json')
  const given = [...listed, ...random].map((tensor) => ({
    dtype: tensor.dtype,
    shape: tensor.shape,
    base64: tensor.toBuffer().toString('base64'),
  }))
  writeFileSync(file, JSON.stringify(given))
  const python = await reference('repr', { file, expressions: expressions.map(([, text]) => text) })
  const expected = new Map([...listed, ...random].map((tensor, i) => [tensor, python.tensors[i] as string]))

  it.each(Object.entries(tables))('is what Python prints: %s', (_, tensors) => {
    for (const tensor of tensors) expect(String(tensor)).toBe(expected.get(tensor))
  })

  it(`is what Python prints for random tensors (seed ${seed})`, () => {
    for (const tensor of random) expect(String(tensor)).toBe(expected.get(tensor))
  })

  it.each(expressions.map(([tensor, text], i) => ({ tensor, text, i })))(
    'is what Python prints: $text',
    ({ tensor, i }) => {
      expect(String(tensor)).toBe(python.expressions[i])
    },
  )

  it('reads only the edges of a large tensor', () => {
    const large = torch.zeros([1]).expand([4096, 4096, 4096]) // 256 GB, were it copied
    expect(String(large)).toContain('...')
  })

  it('is indented where it stands in other objects', () => {
    expect(inspect({ x: torch.eye(2) })).toBe('{\n  x: tensor([[1., 0.],\n          [0., 1.]])\n}')
    expect(`${torch.tensor([1])}`).toBe('tensor([1.])')
  })

  it('is written for a complex number as Python writes it', () => {
    const texts = [complex(1, 2), complex(0, -1), complex(-0, 1), complex(1.5, nan), complex(1e16, 1e-5)].map(
      String,
    )
    expect(texts).toEqual(['(1+2j)', '-1j', '(-0+1j)', '(1.5+nanj)', '(1e+16+1e-05j)'])
    expect(inspect([torch.tensor(complex(1, 2)).item<Complex>()])).toBe('[ (1+2j) ]')
  })
})
