// What all folders use: errors, checks of arguments, files that appear complete, locks, JSON and statistics. It does not depend on tensors.

// The declarations of all folders use Node's types and `Disposable`. TypeScript 6 and later take in neither by themselves.
/// <reference types="node" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />

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
