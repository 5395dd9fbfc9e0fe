/**
 * Accuracy, cross-entropy and calibration of classifiers on a dataset, their record batch by batch, and McNemar's test of two.
 *
 * @module evaluate
 */

export { type McNemar, mcnemar } from '../base/index.js'
export { type EvaluateOptions, evaluate, evaluateAll } from './evaluate.js'
export type { ClassScore, Evaluation } from './evaluation.js'
export { EvaluationRecord, type RecordedBatch, type RecordedScores } from './evaluation-record.js'
export { type EvaluationSubject, evaluationSubject } from './evaluation-subject.js'
export {
  type ReliabilityBin,
  type SampleScores,
  type Score,
  ScoreSums,
  sampleScores,
  scoreLogits,
} from './metrics.js'
