import { mcnemar } from '../../base/index.js'
import type { Evaluation } from '../../evaluate/index.js'
import type { HessianTrace, TraceComparison } from '../../sharpness/index.js'

// The documents that `--json` prints: the library's records without what is long and can be made again.

export function evaluationRecord(model: string, evaluation: Evaluation) {
  const { top1, top5, loss, calibrationError, images, skipped, warnings } = evaluation
  return { model, top1, top5, loss, calibrationError, images, skipped: skipped.length, warnings }
}

/** Of evaluations on the same images; each model but the first is held against that. */
export function evaluationRecords(models: readonly string[], evaluations: readonly Evaluation[]) {
  return evaluations.map((evaluation, i) => ({
    ...evaluationRecord(models[i]!, evaluation),
    perClass: evaluation.perClass,
    mcnemar: i === 0 ? null : mcnemar(evaluations[0]!.correct, evaluation.correct),
  }))
}

export function traceRecord(found: HessianTrace) {
  const { trace, standardError, probes, samples, withoutGradient } = found
  return { trace, standardError, probes, samples, withoutGradient }
}

export function comparisonRecord({ first, second, difference, differenceStandardError }: TraceComparison) {
  const { trace, standardError } = second
  return { ...traceRecord(first), compare: { trace, standardError, difference, differenceStandardError } }
}
