import { meanWithError } from '../../base/index.js'
import type { SharpnessRecord } from '../../report/index.js'
import type { Measured } from './measure.js'

/** The paired differences of two models, the second less the first; undefined if nothing is paired. */
export function differenceOf(first: Measured, second: Measured): SharpnessRecord['difference'] | undefined {
  if (first.trace === undefined || second.trace === undefined) return undefined
  const { perProbe } = first.trace
  const { mean, standardError } = meanWithError(second.trace.perProbe.map((value, i) => value - perProbe[i]!))
  return {
    trace: {
      value: mean,
      standardError: null,
      probeStandardError: standardError,
      method: 'Hutchinson, paired over the random vectors',
    },
  }
}
