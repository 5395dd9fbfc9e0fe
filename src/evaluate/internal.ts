// What the package's other folders use of this one beside its front door, index.ts. It is no part of the package's interface.

export { evaluateNumbers } from './evaluate.js'
