/**
 * The number of elements of a tensor of this shape: the product of its extents, 1 for []. Unlike the operator `numel`, it can be used while a
 * pending call writes to the tensor.
 */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

/** The strides, in elements, of a contiguous tensor of this shape. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides: number[] = []
  shape.reduceRight((stride, extent) => {
    strides.unshift(stride)
    return stride * Math.max(1, extent)
  }, 1)
  return strides
}
