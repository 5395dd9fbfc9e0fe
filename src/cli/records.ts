import type { Evaluation } from '../evaluate/evaluate.js'
import type { HessianTrace, TraceComparison } from '../sharpness/hessian-trace.js'

// The documents that `--json` prints: the library's records without what is long and can be made again.

export function evaluationRecord(model: string, { top1, top5, loss, images }: Evaluation) {
  return { model, top1, top5, loss, images }
}

export function traceRecord({ trace, standardError, probes, samples }: HessianTrace) {
  return { trace, standardError, probes, samples }
}

export function comparisonRecord({ first, second, difference, differenceStandardError }: TraceComparison) {
  const { trace, standardError } = second
  return { ...traceRecord(first), compare: { trace, standardError, difference, differenceStandardError } }
}
