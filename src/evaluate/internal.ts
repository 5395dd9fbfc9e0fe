// What other folders of the package use from this folder in addition to its front door, index.ts. It is not part of the package's interface.

export { evaluateNumbers } from './evaluate.js'
