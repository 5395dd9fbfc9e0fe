import { expectText, SosError } from '../../base/index.js'
import { trainedParameters } from '../../model/internal.js'
import type { ScriptModule, Tensor } from '../../torch/index.js'
import { matchPaths } from '../../torch/internal.js'

/**
 * The parameters that require gradients, by name, in their order; if `glob` is given, those whose names it matches.
 *
 * @param glob a name, or a pattern in which `*` and `?` match within a part of the name, and `**` also matches dots
 * @throws `ERR_NO_SUCH_PARAMETER` if it matches no parameter; `ERR_FROZEN`; `ERR_NO_GRADIENT`
 */
export function chosenParameters(model: ScriptModule, glob?: string): Map<string, Tensor> {
  const trained = trainedParameters(model)
  if (glob === undefined) return trained
  expectText('parameters', glob)
  const names = [...model.namedParameters().keys()]
  const matching = matchPaths(glob, names)
  if (matching.length === 0) {
    throw new SosError(
      'ERR_NO_SUCH_PARAMETER',
      `${model.path}: expected a name or a pattern that matches parameters but '${glob}' matches none of its ${names.length}, such as '${names[0]}'; '**' matches names with dots in them`,
    )
  }
  const chosen = new Map(matching.flatMap((name) => (trained.has(name) ? [[name, trained.get(name)!]] : [])))
  if (chosen.size > 0) return chosen
  throw new SosError(
    'ERR_NO_GRADIENT',
    `${model.path}: expected parameters that require gradients but none of the ${matching.length} that '${glob}' matches does: set requiresGrad of each to true`,
  )
}
