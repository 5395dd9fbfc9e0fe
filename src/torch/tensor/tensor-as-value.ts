import { inspect } from 'node:util'
import { SosError } from '../../base/index.js'

import { Complex } from './complex.js'
import { readElements } from './elements.js'
import { extendTensor } from './extend.js'
import { formatTensor } from './format.js'
import { handleOf } from './tensor.js'

/** How a tensor behaves where JavaScript needs a number, a text or JSON. */
export interface TensorAsValue {
  /**
   * Converts the tensor for JavaScript's own operators. `+x`, `a < b` and `a + b` use the number of a tensor with one element, as `item()`
   * does, without gradients; `${x}` is the text of the tensor.
   *
   * @throws `ERR_SHAPE` unless there is exactly one element: use `a.add(b)`, `a.lt(b)` and the like, since JavaScript's operators do not
   *   compute with tensors as Python's do; `ERR_DTYPE` for a complex tensor
   */
  [Symbol.toPrimitive](hint: string): number | string

  /**
   * What `JSON.stringify` writes: the elements, as from `toArray()`.
   *
   * @throws `ERR_RANGE` for NaN and infinities, which JSON does not have, and for integers beyond 2^53
   */
  toJSON(): unknown

  /** The text of Python's `repr`: `tensor([1., 2.], grad_fn=<AddBackward0>)`. Only the edges of a large tensor are read. */
  toString(): string

  /** What `console.log` prints: {@link toString}. */
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
        `expected a tensor of one element for JavaScript's own operators but received one of shape [${shape.join(', ')}]; to compute with tensors, use a.add(b), a.eq(b) and the like`,
      )
    }
    const value = this.item<number | Complex>()
    if (typeof value === 'number') return value
    throw new SosError(
      'ERR_DTYPE',
      'expected a real number but this tensor is complex; to compute with it, use a.add(b) and the like',
    )
  },

  toJSON() {
    const values = this.toArray<number | Complex>()
    expectFinite(values)
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

function expectFinite(values: unknown): void {
  if (Array.isArray(values)) {
    for (const value of values) expectFinite(value)
  } else if (values instanceof Complex) {
    expectFinite([values.re, values.im])
  } else if (!Number.isFinite(values)) {
    throw new SosError(
      'ERR_RANGE',
      `expected finite elements, since JSON has no others, but one is ${values}`,
    )
  }
}
