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
 * PyTorch's short forms of `to`: they convert a tensor to another dtype (`double`, `half`, `long`, …) or move it to another device. If nothing
 * changes, the result shares the memory of the tensor.
 */
export interface TensorConversions extends Record<keyof typeof dtypes, () => Tensor> {
  /** Moves the tensor to the CPU. */
  cpu(): Tensor

  /**
   * Moves the tensor to a CUDA device.
   *
   * @param index the index of the device. Default: the current device.
   * @throws `ERR_DEVICE` when the device does not exist
   */
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
