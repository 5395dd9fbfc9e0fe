import { SosError } from '../../base/index.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { type Generator, isFloating, memoryOf } from '../../torch/internal.js'

/** By which norms a random direction is scaled. */
export type Normalization = 'filter' | 'layer' | 'none'

/** How random directions are made of normal numbers. */
export interface DirectionOptions {
  /**
   * `filter` gives each filter of the direction the norm that the same filter of the weights has; `layer` gives each
   * whole parameter the norm of that parameter; `none` leaves the normal numbers as they are. A filter is what belongs
   * to one index of the first dimension: the weights of one output channel of a convolution, or of one output of a
   * linear layer. Default: `filter`.
   */
  normalize?: Normalization
  /**
   * `biasbn` keeps the parameters with fewer than two dimensions at their place, which are the biases and the weights
   * of norms such as BatchNorm. With `none` they move too; `filter` and `layer` then scale each of them as a whole.
   * Default: `biasbn`.
   */
  ignore?: 'biasbn' | 'none'
}

/** The parameters that a landscape can move, by their names. Throws `ERR_FROZEN` for a frozen model. */
export function movableParameters(model: ScriptModule): Map<string, Tensor> {
  if (model.kind === 'frozen') {
    throw new SosError(
      'ERR_FROZEN',
      `${model.path}: expected a model with parameters but it is frozen: its weights are constants; export it by torch.jit.script, without torch.jit.freeze or optimize_for_inference`,
    )
  }
  return movable(model.namedParameters())
}

/** The floating-point tensors among these, each place in memory once, since a tied weight has several names. */
export function movable(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const seen = new Set<string>()
  const found = [...tensors].filter(([name, tensor]) => {
    if (!isFloating(tensor.dtype)) return false
    const { storage, start } = memoryOf(name, tensor)
    const place = `${storage} ${start}`
    const isNew = !seen.has(place)
    seen.add(place)
    return isNew
  })
  return new Map(found)
}

/**
 * Draws a random direction: for each parameter, in their order, as many normal numbers as it has, scaled by the norms
 * of the parameters. Python draws the same numbers by `torch.randn(p.shape, generator=generator, dtype=p.dtype)`. The
 * numbers of a parameter are drawn even if it does not move, so that the others do not depend on `ignore`.
 *
 * @param parameters the parameters whose norms are used
 * @returns the direction of each parameter that moves, by its name, on the CPU
 */
export function drawDirection(
  parameters: ReadonlyMap<string, Tensor>,
  generator: Generator,
  { normalize = 'filter', ignore = 'biasbn' }: DirectionOptions,
): Map<string, Tensor> {
  const direction = new Map<string, Tensor>()
  for (const [name, parameter] of parameters) {
    const drawn = torch.randn(parameter.shape, { generator, dtype: parameter.dtype })
    if (ignore === 'biasbn' && parameter.ndim < 2) drawn.dispose()
    else direction.set(name, scaled(drawn, parameter, normalize))
  }
  return direction
}

/** Computed in float64 and rounded once. */
function scaled(drawn: Tensor, parameter: Tensor, normalize: Normalization): Tensor {
  if (normalize === 'none') return drawn
  return scope(() => {
    const rows = normalize === 'filter' && parameter.ndim > 1 ? parameter.shape[0]! : 1
    const asRows = (tensor: Tensor) => tensor.to({ device: 'cpu', dtype: 'float64' }).reshape([rows, -1])
    const norms = (tensor: Tensor) => torch.linalg_vector_norm(tensor, 2, [1], true)
    const numbers = asRows(drawn)
    const scale = norms(asRows(parameter)).div(norms(numbers))
    return numbers.mul(scale).reshape(parameter.shape).to(parameter.dtype)
  })
}
