import { meanWithError, SosError } from '../../base/index.js'
import type { TraceDifference, TraceResult } from '../../report/index.js'
import type { TraceEstimate } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import { withProgress } from '../shared/progress.js'
import type { HeardOperator } from './operators.js'
import type { SharpnessOptions } from './requests.js'

/** The trace of an operator, with the value of each random vector. */
export async function traceOf(
  path: string,
  operator: HeardOperator,
  { probes = 32, seed }: SharpnessOptions,
): Promise<TraceEstimate> {
  const { hutchinsonTrace } = await library()
  const found = await withProgress(`trace ${path}`, (onProgress) =>
    operator.hearing(onProgress, () => hutchinsonTrace(operator, { probes, seed })),
  )
  if (Number.isFinite(found.trace)) return found
  throw new SosError(
    'ERR_NOT_FINITE',
    `${path}: its logits are finite but the trace is ${found.trace}: a derivative is not finite, for example that of a square root or a norm at 0`,
  )
}

/** A trace as the record has it. */
export function traceResult({ trace, standardError, probes }: TraceEstimate, samples: number): TraceResult {
  return {
    value: trace,
    standardError: null,
    probeStandardError: standardError,
    samples,
    probes,
    method: 'Hutchinson',
  }
}

/** The difference of two traces on the same images and random vectors, the second less the first. */
export function traceDifference(first: TraceEstimate, second: TraceEstimate): TraceDifference {
  const differences = second.perProbe.map((value, i) => value - first.perProbe[i]!)
  const { mean, standardError } = meanWithError(differences)
  return {
    value: mean,
    standardError: null,
    probeStandardError: standardError,
    method: 'Hutchinson, paired over the random vectors',
  }
}
