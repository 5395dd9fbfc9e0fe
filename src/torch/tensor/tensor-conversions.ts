import type { DType } from './dtype.js'
import { Tensor } from './tensor.js'

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

function define(name: keyof TensorConversions, value: (this: Tensor, index?: number) => Tensor): void {
  Object.defineProperty(Tensor.prototype, name, { value, configurable: true, writable: true })
}

for (const [name, dtype] of Object.entries(dtypes)) {
  define(name as keyof typeof dtypes, function () {
    return this.to(dtype)
  })
}

define('cpu', function () {
  return this.to('cpu')
})

define('cuda', function (index) {
  return this.to(index === undefined ? 'cuda' : `cuda:${index}`)
})
