import { SosError } from '../base/index.js'
import { scope, type Tensor, torch } from '../torch/index.js'
import { epsilon, expectTensor, isFloating, isHalf } from '../torch/internal.js'

/**
 * What a classifier returns: logits, of which log-softmax outputs are a case, or the probabilities that a softmax made of them. The
 * cross-entropy of logits takes a softmax itself; of probabilities it would be wrong.
 */
export type OutputKind = 'logits' | 'probabilities'

export const outputKinds: readonly OutputKind[] = ['logits', 'probabilities']

/**
 * Whether every row is a distribution over two classes or more: no number below 0 or above 1, and a sum of 1 but for the rounding of
 * its dtype.
 *
 * @param output floating-point [N, classes]
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

/** Throws `ERR_PROBABILITIES` where the output is one of probabilities and logits were asked for, or the other way round. */
export function expectKind(output: Tensor, kind: OutputKind): void {
  if (areProbabilities(output) === (kind === 'probabilities')) return
  throw new SosError(
    'ERR_PROBABILITIES',
    kind === 'logits'
      ? "expected logits but the model returns rows of probabilities, as after a softmax: a loss of logits would take another softmax of them; name the option outputs: 'probabilities' (--outputs probabilities), or export the model without its softmax"
      : "expected rows of probabilities, each from 0 to 1 with a sum of 1, but the model returns others: leave out outputs: 'probabilities'",
  )
}

/**
 * Logits with the softmax that a model's output is: the output itself, or the logarithm of probabilities. A probability that
 * rounding made 0 counts as the smallest number of its dtype, so that gradients stay finite.
 */
export function asLogits(output: Tensor, kind: OutputKind): Tensor {
  if (kind === 'logits') return output
  const least = output.dtype === 'float64' ? 2 ** -1022 : output.dtype === 'float16' ? 2 ** -14 : 2 ** -126
  return torch.enableGrad(() => output.clamp_min(least).log())
}

/** Logits as a loss needs them: half precision is for what comes before it. */
export function unrounded(logits: Tensor): Tensor {
  return isHalf(logits.dtype) ? logits.to('float32') : logits
}

/** Whether a model's output is these logits, or the softmax or log-softmax of them, but for the rounding of other kernels. */
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
