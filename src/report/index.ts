/**
 * Turns the record of a study, of a training or of sharpness into sentences, tables and pages. It handles no tensors.
 *
 * @module report
 */

export {
  type LandscapeDocument,
  type LossLineDocument,
  landscapeDocument,
  lossLineDocument,
  type NamedSurface,
} from './landscape/document.js'
export { landscapeFindings, lossLineFindings } from './landscape/findings.js'
export { landscapePage, lossLinePage } from './landscape/page.js'
export { writeLandscapeReport } from './landscape/write-report.js'
export { makeReportFolder } from './report-folder.js'
export { sharpnessFindings } from './sharpness/findings.js'
export { sharpnessPage } from './sharpness/page.js'
export {
  type ModelSharpness,
  readSharpnessRecord,
  type SharpnessRecord,
  type TraceDifference,
  type TraceResult,
} from './sharpness/record.js'
export { sharpnessTables } from './sharpness/tables.js'
export { writeSharpnessReport } from './sharpness/write-report.js'
export { studyFindings } from './study/findings.js'
export { studyPage } from './study/page.js'
export { accuracyTable, batchSizeTable, controlTable, drawsTable, shiftTable } from './study/tables.js'
export { writeStudyReport } from './study/write-report.js'
export type { Table } from './table.js'
export { trainingFindings } from './training/findings.js'
export { trainingPage } from './training/page.js'
export type { Paired } from './training/paired.js'
export type {
  ProbeResult,
  RunResult,
  ShiftsResult,
  TestResult,
  TrainingRun,
} from './training/run.js'
export {
  type SchemeDifference,
  type SchemeSummary,
  summariseTraining,
  type TrainingSummary,
} from './training/summary.js'
export {
  probeTable,
  runTable,
  schemeTable,
  trainingShiftTable,
  trainingTables,
} from './training/tables.js'
export { writeTrainingReport } from './training/write-report.js'
