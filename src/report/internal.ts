// What the command line needs from this folder in addition to its front door, index.ts. It is not part of the package's interface.

export { trainingDocument } from './training/write-report.js'
