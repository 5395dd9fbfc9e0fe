import type { Tensor } from '../../src/index.js'

/** A tensor as test/reference/weights.py describes it: dtype, shape, and the elements' bytes in row-major order. */
export interface DescribedTensor {
  dtype: string
  shape: readonly number[]
  bytes: string
}

export function describeTensor(tensor: Tensor): DescribedTensor {
  const elements = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape([-1])
  const bytes = elements.view('uint8').toTypedArray() as Uint8Array
  return { dtype: tensor.dtype, shape: tensor.shape, bytes: Buffer.from(bytes).toString('base64') }
}

export function describeTensors(tensors: ReadonlyMap<string, Tensor>): Record<string, DescribedTensor> {
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, describeTensor(tensor)]))
}
