import { SosError } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { epsilon, expectTensor, isFloating, isHalf } from '../torch/internal.js'

/**
 * What a classifier returns: logits (log-softmax outputs are a case of them), or the probabilities that a softmax made
 * of them. The cross-entropy of logits takes a softmax itself; it would be wrong for probabilities.
 */
export type OutputKind = 'logits' | 'probabilities'

/** The names of the kinds of output. */
export const outputKinds: readonly OutputKind[] = ['logits', 'probabilities']

/**
 * Decides whether every row is a distribution over at least two classes: no number below 0 or above 1, and a sum of 1
 * up to the rounding of its dtype.
 *
 * @param output a model's output, floating-point [N, classes]
 * @returns true if all rows are distributions; false for an output of another shape, or without rows
 * @throws `ERR_INVALID_ARGUMENT` if it is not a tensor
 * @example
 * console.log(areProbabilities(torch.rand([4, 10]).softmax(1))) // → true
 */
export function areProbabilities(output: Tensor): boolean {
  expectTensor('output', output)
  const [images, classes] = output.shape
  if (output.ndim !== 2 || images === 0 || classes! < 2) return false
  const rounding = isHalf(output.dtype) ? 2e-2 : 1e-4
  return scope(() => {
    const values = output.detach().to('float64')
    const inside = values
      .ge(0)
      .logical_and(values.le(1 + rounding))
      .all()
    const sums = values.sum([1]).sub(1).abs().max()
    return inside.item() === 1 && sums.item() <= rounding
  })
}

/**
 * Throws `ERR_PROBABILITIES` if the model returns probabilities and logits were asked for, or the other way round.
 */
export function expectKind(output: Tensor, kind: OutputKind): void {
  if (areProbabilities(output) === (kind === 'probabilities')) return
  throw new SosError(
    'ERR_PROBABILITIES',
    kind === 'logits'
      ? "expected logits but the model returns rows of probabilities, as after a softmax: a loss of logits would take another softmax of them; set the option outputs: 'probabilities' (--outputs probabilities), or export the model without its softmax"
      : "expected rows of probabilities, each from 0 to 1 with a sum of 1, but the model's output is not that: leave out the option outputs: 'probabilities'",
  )
}

/**
 * Logits whose softmax is the model's: the output itself, or the logarithm of probabilities. A probability that was
 * rounded to 0 counts as the smallest number of its dtype, so that gradients stay finite.
 */
export function asLogits(output: Tensor, kind: OutputKind): Tensor {
  if (kind === 'logits') return output
  const least = output.dtype === 'float64' ? 2 ** -1022 : output.dtype === 'float16' ? 2 ** -14 : 2 ** -126
  return torch.enableGrad(() => output.clamp_min(least).log())
}

/** Logits in a dtype in which a loss can be computed: those in half precision are converted to float32. */
export function unrounded(logits: Tensor): Tensor {
  return isHalf(logits.dtype) ? logits.to('float32') : logits
}

/**
 * Whether a model's output is these logits, or their softmax or log-softmax, apart from the rounding of other kernels.
 */
export function isOutputOf(logits: Tensor, output: Tensor): boolean {
  if (!isFloating(output.dtype) || String(output.shape) !== String(logits.shape)) return false
  const rounding = Math.max(1e-4, 8 * epsilon(output.dtype), 8 * epsilon(logits.dtype))
  return scope(() =>
    [logits, logits.softmax(1), logits.log_softmax(1)].some((expected) => {
      const largest = Math.max(1, expected.abs().max().item())
      return output.sub(expected).abs().max().item() <= rounding * largest
    }),
  )
}
