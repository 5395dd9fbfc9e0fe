import { SosError } from '../base/index.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'

/** Whether no element is NaN or infinite. The device is waited for. */
export function allFinite(tensor: Tensor): boolean {
  return scope(() => tensor.detach().isfinite().all().item() === 1)
}

/**
 * Why what a model computed holds NaN or infinity, as far as its weights and the images tell.
 *
 * @param images those that it was given, where they are at hand
 */
export function whyNotFinite(model: ScriptModule, images?: Tensor): string {
  if (images !== undefined && !allFinite(images)) {
    return 'the images themselves hold NaN or infinity, so that their preprocessing is wrong'
  }
  const weights = torch.noGrad(() => notFiniteAmong(model))
  if (weights.length > 0) {
    const more = weights.length > 3 ? ` and ${weights.length - 3} more` : ''
    return `its weights hold them: ${weights.slice(0, 3).join(', ')}${more}`
  }
  if (model.kind === 'frozen') return 'it is frozen, so that its weights cannot be looked at'
  return `${images === undefined ? 'its weights are' : 'images and weights are'} finite: its own arithmetic goes beyond the range of its dtype, or divides by zero`
}

/** Throws `ERR_NOT_FINITE` where a tensor that a model computed holds NaN or infinity. */
export function expectFinite(model: ScriptModule, what: string, tensor: Tensor, images?: Tensor): void {
  if (allFinite(tensor)) return
  throw notFinite(model, what, images)
}

/** The error of `what`, as `its logits`, that holds NaN or infinity. */
export function notFinite(model: ScriptModule, what: string, images?: Tensor): SosError {
  return new SosError(
    'ERR_NOT_FINITE',
    `${model.path}: expected ${what} to be finite but found NaN or infinity: ${whyNotFinite(model, images)}`,
  )
}

/** As `'fc.weight' (NaN)`; parameters before buffers, where a mask may well be infinite. */
function notFiniteAmong(model: ScriptModule): string[] {
  const all = [...model.namedParameters(), ...model.namedBuffers()]
  return all.flatMap(([name, tensor]) => {
    if (!/^(float(16|32|64)|bfloat16)$/.test(tensor.dtype) || allFinite(tensor)) return []
    const nan = scope(() => tensor.isnan().any().item() === 1)
    return [`'${name}' (${nan ? 'NaN' : 'infinity'})`]
  })
}
