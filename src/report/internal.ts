// What the command line needs from this folder in addition to its front door, index.ts. It is not part of the package's interface.

export { figure, percent, plusMinus, pValue, signedFigure } from './numbers.js'
export { trainingDocument } from './training/write-report.js'
