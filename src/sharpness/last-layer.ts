import { SosError } from '../base/index.js'
import { isOutputOf, ownFlow, parametersAt, WeightReads } from '../model/internal.js'
import { type ScriptModule, type Tensor, torch } from '../torch/index.js'

/** The linear layer z = Wa + b that makes a model's output. */
export interface LastLayer {
  readonly path: string
  /** W, [K, m]. */
  readonly weight: Tensor
  /** b, [K]; null if there is none. */
  readonly bias: Tensor | null
}

/** The layer at a path. Throws `ERR_NOT_LAST` if it has no weight [outputs, inputs]. */
export function lastLayerAt(model: ScriptModule, path: string): LastLayer {
  const { weight, bias } = parametersAt(model, path)
  if (weight?.ndim === 2) return { path, weight, bias }
  throw notLast(path, 'it has no weight [outputs, inputs]')
}

/**
 * The layer's input in a forward, one row for each image.
 *
 * @param heard the inputs that a hook received
 * @param output the output of the model
 * @throws `ERR_NOT_LAST` if the model's output is neither the layer's output nor its softmax or log-softmax
 */
export function lastInput(
  { path, weight, bias }: LastLayer,
  heard: readonly Tensor[],
  output: Tensor,
): Tensor {
  const [input] = heard
  if (heard.length !== 1 || input!.ndim !== 2 || input!.shape[0] !== output.shape[0]) {
    throw notLast(path, 'it does not get one row for each image')
  }
  if (isOutputOf(torch.linear(input!, weight, bias), output)) return input!
  throw notLast(path, "its output is not the model's: something comes after it")
}

/**
 * The layer's own part of each image's trace, [n] in float64: (‖a‖² + 1)(1 − ‖p‖²) with the bias.
 *
 * @param input a, [n, m]
 * @param p the probabilities, float64 [n, K]
 * @param counted which of its parameters count
 */
export function lastLayerPart(input: Tensor, p: Tensor, counted: { weight: boolean; bias: boolean }): Tensor {
  const lengths = input.to({ dtype: 'float64' }).square().sum([1])
  return lengths.mul(Number(counted.weight)).add(Number(counted.bias)).mul(spreadOf(p))
}

/** The probabilities of each image, float64 [n, K]. */
export function probabilitiesOf(logits: Tensor): Tensor {
  return torch.softmax(logits.detach().to({ dtype: 'float64' }), 1)
}

/** 1 − ‖p‖² of each image, [n]: how unsure the model is. It is the trace of diag p − ppᵀ. */
export function spreadOf(p: Tensor): Tensor {
  return torch.ones([p.shape[0]!], { dtype: 'float64', device: p.device }).sub(p.square().sum([1]))
}

/** Whether something beside the layer reads its weight or its bias, such as another layer that shares it. */
export function isReadElsewhere(model: ScriptModule, path: string): boolean {
  const reads = new WeightReads(model)
  const { calls = [] } = ownFlow(model, path) ?? {}
  const { weight, bias } = parametersAt(model, path)
  return (
    (weight !== null && reads.beyond(path, calls)) || (bias !== null && reads.beyond(path, calls, 'bias'))
  )
}

export function notLast(path: string, why: string): SosError {
  return new SosError(
    'ERR_NOT_LAST',
    `expected the last layer of a classifier but '${path}' is not that: ${why}`,
  )
}
