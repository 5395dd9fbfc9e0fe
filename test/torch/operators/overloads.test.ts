import { describe, expect, it } from 'vitest'
import { Tensor, torch } from '../../../src/index.js'
import { Complex, type DType } from '../../../src/torch/index.js'

import { reference } from '../../support/python.js'
import { calls, type Given } from './overload-calls.js'

function value(given: Given): unknown {
  if (Array.isArray(given)) return given.map(value)
  if (given === null || typeof given !== 'object') return given
  if ('named' in given) return given.named
  if ('complex' in given) return new Complex(...given.complex)
  if ('generator' in given) return new torch.Generator(given.generator)
  const numbers = given.values
  const doubles = Array.isArray(numbers)
    ? torch.tensor(numbers as number[], { dtype: 'float64' })
    : torch.tensor([numbers as number], { dtype: 'float64' }).squeeze()
  return doubles.to(given.dtype as DType)
}

function described(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(described)
  if (!(result instanceof Tensor)) return result
  const real = result.is_complex() ? torch.view_as_real(result.resolve_conj()) : result
  const numbers = Array.from(real.to('float64').reshape([-1]).toTypedArray() as Float64Array)
  return { dtype: result.dtype, shape: [...result.shape], values: numbers }
}

type Callable = (...args: unknown[]) => unknown
const packets = torch.ops.aten as unknown as Record<string, Callable & Record<string, Callable>>

/** Python's numbers come as text, for JSON has no NaN. */
function parsed(result: unknown): unknown {
  if (Array.isArray(result)) return result.map(parsed)
  if (result === null || typeof result !== 'object') return result
  const { values, ...rest } = result as { values: string[] }
  return { ...rest, values: values.map((text) => Number(text.replace('inf', 'Infinity'))) }
}

/** The same but for the last bits of a float. */
function expectSame(ours: unknown, python: unknown): void {
  const flat = (result: unknown): number[] =>
    Array.isArray(result)
      ? result.flatMap(flat)
      : typeof result === 'object' && result !== null
        ? (result as { values: number[] }).values
        : []
  const bare = (result: unknown): unknown =>
    JSON.parse(JSON.stringify(result), (key, inner) => (key === 'values' ? inner.length : inner))
  expect(bare(ours)).toEqual(bare(python))
  const theirs = flat(python)
  flat(ours).forEach((number, i) => {
    if (Number.isFinite(theirs[i])) expect(number).toBeCloseTo(theirs[i]!, 4)
    else expect(number).toBe(theirs[i])
  })
}

describe('overloads are resolved as Python resolves them', async () => {
  const python = await reference('overloads', {
    calls: calls.map(([name, positional, keyword = {}]) => [name, positional, keyword]),
  })

  it.each(calls.map(([name, positional, keyword], i) => [i, name, positional, keyword] as const))(
    '%i: %s',
    (i, name, positional, keyword) => {
      const args = () => [
        ...positional.map(value),
        ...(keyword === undefined
          ? []
          : [Object.fromEntries(Object.entries(keyword).map(([key, given]) => [key, value(given)]))]),
      ]
      const { overload, result, error } = python[i]
      expect(error).toBeUndefined()
      expectSame(described(packets[name]!(...args())), parsed(result))
      // The overload that Python chose takes the same arguments, to the same result.
      if (overload !== null) expectSame(described(packets[name]![overload]!(...args())), parsed(result))
    },
  )
})
