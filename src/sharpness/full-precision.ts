import { type DType, type ScriptModule, scope } from '../torch/index.js'
import { isHalf } from '../torch/internal.js'

/**
 * The model whose curvature is measured, held in eval mode until it is disposed of. It is the model itself or, if
 * weights are in half precision, a copy of the same numbers in float32. The curvature is that of the loss at these
 * weights; in half precision most of its terms would be rounded to zero. A model whose own code casts to half precision
 * is measured as it is.
 */
export async function inFullPrecision(model: ScriptModule): Promise<ScriptModule> {
  const held = model.view({ eval: true })
  try {
    const copy = await fullPrecisionCopy(held)
    if (copy === null) return held
    held.dispose()
    return copy
  } catch (error) {
    held.dispose()
    throw error
  }
}

/** The copy in float32 that {@link inFullPrecision} takes, in the mode of the model; null if it takes the model itself. */
export async function fullPrecisionCopy(model: ScriptModule): Promise<ScriptModule | null> {
  if (!isRounded(model)) return null
  const copy = await model.clone()
  return await copy.to({ dtype: 'float32' })
}

/** The dtype of the first parameter of {@link inFullPrecision}. */
export function measuredDtype(model: ScriptModule): DType {
  return isRounded(model) ? 'float32' : scope(() => model.parameters()[0]?.dtype ?? 'float32')
}

const halves = new Set<unknown>([5, 15]) // float16 and bfloat16 as c10::ScalarType

/**
 * Whether a model has weights in half precision, and its code does not name half precision itself, for example by
 * x.half(): they may then be converted.
 */
function isRounded(model: ScriptModule): boolean {
  if (!scope(() => model.parameters().some(({ dtype }) => isHalf(dtype)))) return false
  return !model.operatorCalls().some(({ arguments: { dtype } }) => halves.has(dtype?.value))
}
