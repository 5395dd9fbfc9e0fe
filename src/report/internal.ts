// What the command line uses of this folder beside its front door, index.ts. It is no part of the package's interface.

export { trainingDocument } from './training/write-report.js'
