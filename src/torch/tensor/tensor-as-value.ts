import { inspect } from 'node:util'
import { SosError } from '../../base/index.js'

import { Complex } from './complex.js'
import { readElements } from './elements.js'
import { extendTensor } from './extend.js'
import { formatTensor } from './format.js'
import { handleOf } from './tensor.js'

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

  /** As Python's `repr`: `tensor([1., 2.], grad_fn=<AddBackward0>)`. Of a large tensor only the edges are read. */
  toString(): string

  /** What `console.log` shows: {@link toString}. */
  [inspect.custom](): string
}

declare module './tensor.js' {
  interface Tensor extends TensorAsValue {}
}

extendTensor<TensorAsValue>({
  [Symbol.toPrimitive](hint) {
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
  },

  toJSON() {
    const values = this.toArray<number | Complex>()
    refuseWhatJsonLacks(values)
    return values
  },

  toString() {
    if (this.disposed) return 'Tensor (disposed)'
    return formatTensor(this, (tensor) => readElements(handleOf(tensor), tensor.dtype))
  },

  [inspect.custom]() {
    try {
      return this.toString()
    } catch (error) {
      if ((error as SosError).code !== 'ERR_BUSY') throw error
      return 'Tensor (a pending operator writes to it)'
    }
  },
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
