import { count, expectObject, meanWithError, whole, wholeSeed } from '../../base/index.js'
import { scope, torch } from '../../torch/index.js'
import type { Generator } from '../../torch/internal.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'

/** An estimate of the trace of a symmetric operator. */
export interface TraceEstimate {
  /** The mean over the probes. */
  readonly trace: number
  /** The operator is size × size. For a model's Hessian it is the number of parameters. */
  readonly size: number
  /** The standard error of that mean: the standard deviation of the probes / √probes. */
  readonly standardError: number
  /** The number of probes. */
  readonly probes: number
  /** vᵀHv of each probe, in the order in which the probes are drawn. */
  readonly perProbe: readonly number[]
}

/** Checks a number of probes. There are at least two, since one probe has no standard error. */
export const probeCount = whole(2, 1_000_000)

/** The size of the probes that are held in memory together: 256 MB. */
const blockBytes = 2 ** 28

/**
 * Estimates the trace of a symmetric operator: tr(H) = E[vᵀHv] for random v of independent signs (Hutchinson 1990). The
 * same seed and size give the same probes, so that two operators can be compared on them.
 *
 * @param operator the operator
 * @param options the probes
 * @param options.probes how many probes, at least 2
 * @param options.seed the seed of the probes
 * @returns the estimate, its standard error, and the value of each probe
 * @throws `ERR_INVALID_ARGUMENT` for invalid options, and what the operator throws
 * @example
 * const identity = { size: 5, dtype: 'float64', apply: async (vectors: readonly Tensor[]) => vectors.map((v) => v.clone()) } as const
 * console.log((await hutchinsonTrace(identity, { probes: 2, seed: 0 })).trace) // → 5
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
