import { SosError } from '../errors.js'
import { Complex } from './complex.js'
import { Tensor } from './tensor.js'

/** What JavaScript itself asks of a value: a number, a text, JSON. */
export interface TensorAsValue {
  /**
   * What JavaScript's own operators make of a tensor: `+x`, `a < b` and `a + b` take one of one element as its number, as `item()`, and
   * know nothing of gradients; `${x}` is its text. Of more elements they throw `ERR_SHAPE`, where Python would compute: use
   * `a.add(b)`, `a.lt(b)` and the like. Throws `ERR_DTYPE` for a complex tensor.
   */
  [Symbol.toPrimitive](hint: string): number | string

  /**
   * For `JSON.stringify`: the elements as `toArray()` gives them.
   *
   * @throws `ERR_RANGE` for NaN and infinities, which JSON does not know, and for integers beyond 2^53
   */
  toJSON(): unknown
}

function define<K extends keyof TensorAsValue>(
  name: K,
  value: (this: Tensor, hint: string) => unknown,
): void {
  Object.defineProperty(Tensor.prototype, name, { value, configurable: true, writable: true })
}

define(Symbol.toPrimitive, function (hint) {
  if (hint === 'string') return this.toString()
  const { shape } = this
  if (this.numel() !== 1) {
    throw new SosError(
      'ERR_SHAPE',
      `expected a tensor of one element for JavaScript's own operators but received one of shape [${shape.join(', ')}]; a.add(b), a.eq(b) and the like work on tensors`,
    )
  }
  const value = this.item<number | Complex>()
  if (typeof value === 'number') return value
  throw new SosError(
    'ERR_DTYPE',
    'expected a real number but this tensor is complex; a.add(b) and the like work on it',
  )
})

define('toJSON', function () {
  const values = this.toArray<number | Complex>()
  refuseWhatJsonLacks(values)
  return values
})

function refuseWhatJsonLacks(values: unknown): void {
  if (Array.isArray(values)) {
    for (const value of values) refuseWhatJsonLacks(value)
  } else if (values instanceof Complex) {
    refuseWhatJsonLacks([values.re, values.im])
  } else if (!Number.isFinite(values)) {
    throw new SosError(
      'ERR_RANGE',
      `expected finite elements, for JSON knows no others, but one is ${values}`,
    )
  }
}
