import type { DType } from './dtype.js'

/** The distance from 1 to the next number of a floating-point dtype. For other dtypes, that of float32. */
export function epsilon(dtype: DType): number {
  const digits: Record<string, number> = { float64: 52, float32: 23, float16: 10, bfloat16: 7 }
  return 2 ** -(digits[dtype] ?? 23)
}

/** Whether a dtype is float16 or bfloat16. */
export function isHalf(dtype: DType): boolean {
  return dtype === 'float16' || dtype === 'bfloat16'
}

/**
 * How much the outputs of a network and of its optimised copy may differ, relative to the largest output, if both are correct.
 *
 * The copy adds in another order, which changes the outputs of a ResNet in float32 by about 1e-5. The tolerance is larger than that and much
 * smaller than a difference that would change an accuracy. In half precision it is 16 roundings, since each layer's output is rounded.
 */
export function kernelTolerance(dtype: DType): number {
  if (isHalf(dtype)) return 16 * epsilon(dtype)
  return dtype === 'float64' ? 1e-9 : 1e-3
}
