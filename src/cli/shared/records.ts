import { mcnemar } from '../../base/index.js'
import type { Evaluation } from '../../evaluate/index.js'
import type { PerSampleComparison, SampledValue } from '../../sharpness/index.js'

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

/** A value with both of its errors, as `--json` prints it. */
export function sampledRecord({ value, standardError, probeStandardError, effectiveSamples }: SampledValue) {
  return { value, standardError, probeStandardError, effectiveSamples }
}

/** The traces of two models that were compared image by image, as `--json` prints them. */
export function traceComparisonRecord({ first, second, difference, by }: PerSampleComparison) {
  const { samples, probes, curvedBy, withoutGradient } = first
  return {
    trace: { ...sampledRecord(first), samples, probes, curvedBy, withoutGradient },
    compare: { trace: sampledRecord(second) },
    difference: { trace: { ...sampledRecord(difference), by } },
  }
}
