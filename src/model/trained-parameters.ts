import { SosError } from '../base/index.js'
import type { ScriptModule, Tensor } from '../torch/index.js'
import { eachOnce } from '../torch/internal.js'

/**
 * The parameters that require gradients, by name, in their order. A tied weight comes once, under its first name.
 *
 * @throws `ERR_FROZEN` for a frozen module; `ERR_NO_GRADIENT` if there are no parameters or none requires gradients
 */
export function trainedParameters(model: ScriptModule): Map<string, Tensor> {
  const all = eachOnce(model.namedParameters())
  const trained = new Map([...all].filter(([, parameter]) => parameter.requiresGrad))
  if (trained.size > 0) return trained
  const expected = `${model.path}: expected parameters that require gradients but`
  if (model.kind === 'frozen') {
    throw new SosError(
      'ERR_FROZEN',
      `${expected} it is frozen: its weights are constants; export it by torch.jit.script, without torch.jit.freeze or optimize_for_inference`,
    )
  }
  throw new SosError(
    'ERR_NO_GRADIENT',
    all.size === 0
      ? `${expected} it has no parameters`
      : `${expected} none of its ${all.size} does: it was exported with requires_grad = False; set requiresGrad of each to true, or export it again`,
  )
}
