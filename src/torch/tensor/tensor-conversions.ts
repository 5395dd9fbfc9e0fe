import type { DType } from './dtype.js'
import { extendTensor } from './extend.js'
import type { Tensor } from './tensor.js'

const dtypes = {
  double: 'float64',
  float: 'float32',
  half: 'float16',
  bfloat16: 'bfloat16',
  long: 'int64',
  int: 'int32',
  short: 'int16',
  char: 'int8',
  byte: 'uint8',
  bool: 'bool',
} as const satisfies Record<string, DType>

/**
 * PyTorch's short forms of `to`: the tensor in another dtype (`double`, `half`, `long`, …) or on another device; itself,
 * sharing its memory, where nothing changes.
 */
export interface TensorConversions extends Record<keyof typeof dtypes, () => Tensor> {
  cpu(): Tensor

  /** @param index which one. Default: the current one. */
  cuda(index?: number): Tensor
}

declare module './tensor.js' {
  interface Tensor extends TensorConversions {}
}

for (const [name, dtype] of Object.entries(dtypes)) {
  extendTensor({
    [name](): Tensor {
      return this.to(dtype)
    },
  })
}

extendTensor<Pick<TensorConversions, 'cpu' | 'cuda'>>({
  cpu() {
    return this.to('cpu')
  },

  cuda(index) {
    return this.to(index === undefined ? 'cuda' : `cuda:${index}`)
  },
})
