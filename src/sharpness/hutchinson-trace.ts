import { count, expectObject, meanWithError, whole, wholeSeed } from '../base/index.js'
import { type DType, scope, type Tensor, torch } from '../torch/index.js'
import type { Generator } from '../torch/internal.js'

/** A symmetric matrix known by its products alone: all that the algorithms of this folder see of a model. */
export interface SymmetricOperator {
  /** The matrix is size × size. */
  readonly size: number
  /** Of the vectors and products, which live on the CPU. */
  readonly dtype: DType
  /** Its products with several vectors [size], which cost less together than alone. The caller disposes of them. */
  apply(vectors: readonly Tensor[]): Promise<Tensor[]>
}

/** The trace of a symmetric operator, estimated. */
export interface TraceEstimate {
  readonly trace: number
  /** The operator is size × size: the parameters of a model's Hessian. */
  readonly size: number
  /** Of the mean over the probes: their standard deviation / √probes. */
  readonly standardError: number
  readonly probes: number
  /** vᵀHv of each probe, in the order of the bank. */
  readonly perProbe: readonly number[]
}

/** Checks a number of probes. There are at least two, since one probe has no standard error. */
export const probeCount = whole(2, 1_000_000)

/** Probes that are held in memory together: 256 MB. */
const blockBytes = 2 ** 28

/**
 * Hutchinson's estimator: tr(H) = E[vᵀHv] for random v of independent signs (Hutchinson 1990). The probes are a fixed bank:
 * the same seed and size give the same ones, so that two operators can be compared on them.
 */
export async function hutchinsonTrace(
  operator: SymmetricOperator,
  options: { probes: number; seed: number },
): Promise<TraceEstimate> {
  expectObject('operator', operator)
  expectObject('options', options)
  const { probes, seed } = options
  probeCount('probes', probes)
  wholeSeed('seed', seed)
  count('operator.size', operator.size)
  const generator = new torch.Generator(seed)
  const block = Math.max(1, Math.floor(blockBytes / (4 * operator.size)))
  const perProbe: number[] = []
  while (perProbe.length < probes) {
    await scope(async () => {
      const count = Math.min(block, probes - perProbe.length)
      const vectors = Array.from({ length: count }, () => rademacher(operator, generator))
      const products = await operator.apply(vectors)
      vectors.forEach((vector, i) => {
        perProbe.push(vector.to('float64').dot(products[i]!.to('float64')).item())
      })
    })
  }
  const { mean, standardError } = meanWithError(perProbe)
  return { trace: mean, size: operator.size, standardError, probes, perProbe }
}

function rademacher({ size, dtype }: SymmetricOperator, generator: Generator) {
  return torch.randint(0, 2, [size], { generator, dtype }).mul_(2).sub_(1)
}
