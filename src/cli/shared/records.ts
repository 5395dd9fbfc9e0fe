import { mcnemar } from '../../base/index.js'
import type { Evaluation } from '../../evaluate/index.js'
import type { HessianTrace, TraceComparison } from '../../sharpness/index.js'

// The documents that `--json` prints: the library's records, without long lists that can be computed again.

/** An evaluation, as `--json` prints it. */
export function evaluationRecord(model: string, evaluation: Evaluation) {
  const { top1, top5, loss, calibrationError, images, skipped, warnings } = evaluation
  return { model, top1, top5, loss, calibrationError, images, skipped: skipped.length, warnings }
}

/** Evaluations on the same images, as `--json` prints them. Each model after the first is compared with the first. */
export function evaluationRecords(models: readonly string[], evaluations: readonly Evaluation[]) {
  return evaluations.map((evaluation, i) => ({
    ...evaluationRecord(models[i]!, evaluation),
    perClass: evaluation.perClass,
    mcnemar: i === 0 ? null : mcnemar(evaluations[0]!.correct, evaluation.correct),
  }))
}

/** The trace of a Hessian, as `--json` prints it. */
export function traceRecord(found: HessianTrace) {
  const { trace, standardError, probes, samples, withoutGradient } = found
  return { trace, standardError, probes, samples, withoutGradient }
}

/** Two traces and their difference, as `--json` prints them. */
export function comparisonRecord({ first, second, difference, differenceStandardError }: TraceComparison) {
  const { trace, standardError } = second
  return { ...traceRecord(first), compare: { trace, standardError, difference, differenceStandardError } }
}
