import type { DType } from './dtype.js'

/** The distance from 1 to the next number of a floating-point dtype; that of float32 for others. */
export function epsilon(dtype: DType): number {
  const digits: Record<string, number> = { float64: 52, float32: 23, float16: 10, bfloat16: 7 }
  return 2 ** -(digits[dtype] ?? 23)
}

export function isHalf(dtype: DType): boolean {
  return dtype === 'float16' || dtype === 'bfloat16'
}

/**
 * How far apart the outputs of a network and of its fast copy may be, relative to the largest, where both are right: what another
 * order of the sums loses on the way through a network, some 1e-5 in a ResNet in float32, and much less than would change
 * an accuracy; in half precision 16 roundings, for there each layer's output is rounded.
 */
export function kernelTolerance(dtype: DType): number {
  if (isHalf(dtype)) return 16 * epsilon(dtype)
  return dtype === 'float64' ? 1e-9 : 1e-3
}
