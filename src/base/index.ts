// What all folders use: errors, checks of arguments, files that appear complete, locks, JSON and statistics. It does not depend on tensors.

export { expectWritable, writeAtomically } from './atomic-file.js'
export {
  expectFunction,
  expectList,
  expectMap,
  expectObject,
  expectText,
  refuseArgument,
} from './check-argument.js'
export {
  atLeast,
  batchCount,
  between,
  checkNumbers,
  count,
  finite,
  type NumberChecks,
  nonNegative,
  positive,
  shown,
  someCount,
  whole,
  wholeSeed,
  within,
} from './check-number.js'
export { clipped, nearest, notSerializable, SosError } from './errors.js'
export { FileLock } from './file-lock.js'
export { parseForeignJson } from './foreign-json.js'
export { LineFile } from './line-file.js'
export { makeFolder, makeFolderSync } from './make-folder.js'
export { isNonFinite, nonFiniteAsText, numberOrText } from './non-finite-json.js'
export { expectOtherFile } from './same-file.js'
export { specHelp } from './spec-help.js'
export { holm } from './statistics/holm.js'
export { type McNemar, mcnemar } from './statistics/mcnemar.js'
export { meanWithError, type Spread, spreadOf } from './statistics/spread.js'
