// What the package's other folders use of this one beside its front door, index.ts. It is no part of the package's interface.

export { windowsOf } from './shift-batch.js'
export { shiftNumbers } from './shift-optimum.js'
export { checkRankPolicy } from './solve/rank.js'
