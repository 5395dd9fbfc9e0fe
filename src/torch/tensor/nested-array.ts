import { SosError } from '../../base/index.js'
import { Complex } from './complex.js'
import { type DType, integerRanges, type TypedArray } from './dtype.js'
import { elementCount } from './shape.js'

/** A value, or arrays of values nested to any depth. */
export type NestedArray<T> = T | NestedArray<T>[]

/** The values of which a tensor can be made, besides a typed array. Complex numbers may stand beside real ones. */
export type NestedValues =
  | NestedArray<number>
  | NestedArray<number | Complex>
  | NestedArray<bigint>
  | NestedArray<boolean>

/** Nested values as one typed array. */
export interface FlatValues {
  flat: TypedArray
  shape: number[]
  /** The dtype that `flat` stores. */
  stores: DType
  /** The dtype of the tensor if none was asked for. */
  dtype: DType
}

/** As in Python. The limit is needed since an array may contain itself. */
const mostDimensions = 128

/** Flattens nested arrays, whose lengths must be equal at each depth, for a tensor of the dtype `wanted` or of the natural one. */
export function flatten(values: NestedValues, wanted?: DType): FlatValues {
  const shape: number[] = []
  for (let level: unknown = values; Array.isArray(level); level = level[0]) {
    shape.push(level.length)
    if (shape.length > mostDimensions) {
      throw new SosError(
        'ERR_SHAPE',
        `expected arrays that are nested at most ${mostDimensions} deep but these are nested deeper`,
      )
    }
  }
  const leaves: unknown[] = []
  const walk = (value: unknown, depth: number): void => {
    if (Array.isArray(value) !== depth < shape.length) throw ragged(shape)
    if (!Array.isArray(value)) {
      leaves.push(value)
      return
    }
    if (value.length !== shape[depth]) throw ragged(shape)
    for (const element of value) walk(element, depth + 1)
  }
  walk(values, 0)
  return { shape, ...flatLeaves(leaves, wanted) }
}

function flatLeaves(leaves: unknown[], wanted: DType | undefined): Omit<FlatValues, 'shape'> {
  const kinds = new Set(leaves.map((leaf) => (leaf instanceof Complex ? 'complex' : typeof leaf)))
  if (kinds.has('complex')) {
    kinds.delete('number')
    if (wanted !== undefined && !wanted.startsWith('complex')) {
      throw new SosError('ERR_DTYPE', `expected a complex dtype for complex numbers but received ${wanted}`)
    }
  }
  if (kinds.size > 1) {
    throw new SosError(
      'ERR_DTYPE',
      'expected values of one kind (all numbers, all bigints, all booleans, or complex numbers and numbers) but received a mixture',
    )
  }
  const [kind = 'number'] = kinds
  switch (kind) {
    case 'number': {
      const flat = Float64Array.from(leaves as number[])
      const range = integerRanges[wanted ?? 'float32']
      if (range) expectNumbersInRange(flat, wanted!, Number(range[0]), Number(range[1] + 1n))
      return { flat, stores: 'float64', dtype: 'float32' }
    }
    case 'bigint': {
      const stores = wanted === 'uint64' ? 'uint64' : 'int64'
      expectBigIntsInRange(
        leaves as bigint[],
        integerRanges[wanted ?? 'int64'] ? (wanted ?? 'int64') : 'int64',
      )
      const flat =
        stores === 'uint64' ? BigUint64Array.from(leaves as bigint[]) : BigInt64Array.from(leaves as bigint[])
      return { flat, stores, dtype: 'int64' }
    }
    case 'boolean':
      return { flat: Uint8Array.from(leaves as number[]), stores: 'bool', dtype: 'bool' }
    case 'complex':
      return { flat: interleave(leaves as (number | Complex)[]), stores: 'complex128', dtype: 'complex64' }
    default:
      throw new SosError(
        'ERR_DTYPE',
        `expected numbers, bigints, booleans or complex numbers but received a ${kind}`,
      )
  }
}

function interleave(leaves: (number | Complex)[]): Float64Array {
  const flat = new Float64Array(2 * leaves.length)
  leaves.forEach((leaf, i) => {
    flat[2 * i] = typeof leaf === 'number' ? leaf : leaf.re
    flat[2 * i + 1] = typeof leaf === 'number' ? 0 : leaf.im
  })
  return flat
}

/** Converting a float outside of the range to an integer dtype would give an arbitrary number. */
function expectNumbersInRange(values: Float64Array, dtype: DType, least: number, end: number): void {
  for (const value of values) {
    const whole = Math.trunc(value)
    if (whole >= least && whole < end) continue
    throw new SosError('ERR_RANGE', `expected numbers that ${dtype} can hold but received ${value}`)
  }
}

function expectBigIntsInRange(values: readonly bigint[], dtype: DType): void {
  const [least, largest] = integerRanges[dtype]!
  for (const value of values) {
    if (value >= least && value <= largest) continue
    throw new SosError('ERR_RANGE', `expected bigints that ${dtype} can hold but received ${value}`)
  }
}

function ragged(shape: readonly number[]): SosError {
  return new SosError(
    'ERR_SHAPE',
    `expected nested arrays of equal lengths for the shape [${shape.join(', ')}] but some are longer, shorter or not arrays`,
  )
}

/** Nests elements in row-major order as arrays of a shape. */
export function nest<T>(values: T[], shape: readonly number[]): NestedArray<T> {
  if (shape.length === 0) return values[0]!
  const [length, ...inner] = shape
  if (inner.length === 0) return values
  const stride = elementCount(inner)
  return Array.from({ length: length! }, (_, i) => nest(values.slice(i * stride, (i + 1) * stride), inner))
}
