import { SosError } from '../base/index.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'

/** Whether no element is NaN or infinite. It waits for the device. */
export function allFinite(tensor: Tensor): boolean {
  return scope(() => tensor.detach().isfinite().all().item() === 1)
}

/**
 * Says why what a model computed holds NaN or infinity, as far as its weights and the images show it.
 *
 * @param images the images that the model was given, if they are at hand
 */
export function whyNotFinite(model: ScriptModule, images?: Tensor): string {
  if (images !== undefined && !allFinite(images)) {
    return 'the images themselves hold NaN or infinity, so their preprocessing is wrong'
  }
  const weights = torch.noGrad(() => notFiniteAmong(model))
  if (weights.length > 0) {
    const more = weights.length > 3 ? ` and ${weights.length - 3} more` : ''
    return `its weights hold them: ${weights.slice(0, 3).join(', ')}${more}`
  }
  if (model.kind === 'frozen') return 'it is frozen, so that its weights cannot be looked at'
  return `${images === undefined ? 'its weights are' : 'images and weights are'} finite: its own arithmetic goes beyond the range of its dtype, or divides by zero`
}

/** Throws `ERR_NOT_FINITE` if a tensor that a model computed holds NaN or infinity. */
export function expectFinite(model: ScriptModule, what: string, tensor: Tensor, images?: Tensor): void {
  if (allFinite(tensor)) return
  throw notFinite(model, what, images)
}

/**
 * The error of something that holds NaN or infinity.
 *
 * @param what its name in the message, for example `its logits`
 */
export function notFinite(model: ScriptModule, what: string, images?: Tensor): SosError {
  return new SosError(
    'ERR_NOT_FINITE',
    `${model.path}: expected ${what} to be finite but found NaN or infinity: ${whyNotFinite(model, images)}`,
  )
}

/**
 * The names of the weights that hold NaN or infinity, for example `'fc.weight' (NaN)`. Parameters come before buffers, in which an
 * infinite mask may be normal.
 */
function notFiniteAmong(model: ScriptModule): string[] {
  const all = [...model.namedParameters(), ...model.namedBuffers()]
  return all.flatMap(([name, tensor]) => {
    if (!/^(float(16|32|64)|bfloat16)$/.test(tensor.dtype) || allFinite(tensor)) return []
    const nan = scope(() => tensor.isnan().any().item() === 1)
    return [`'${name}' (${nan ? 'NaN' : 'infinity'})`]
  })
}
