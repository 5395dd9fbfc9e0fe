// What other folders of the package use from this folder in addition to its front door, index.ts. It is not part of the package's
// interface.

export { runIn } from './context/context.js'
export { Generator } from './device/generator.js'
export { decodeJpeg, hasJpegDecoder, loadJpeg, preprocessBytes, preprocessImages } from './images.js'
export { matchPaths } from './module/hooks.js'
export { noSuchModule } from './module/module-errors.js'
export { expectModule } from './module/script-module.js'
export { foreignFile, foreignFileStart } from './serialization/foreign-file.js'
export { type Memory, memoryOf, overlap, storageOf } from './serialization/storage.js'
export { elementLayout, elementSize, isFloating } from './tensor/dtype.js'
export { hold } from './tensor/hold.js'
export { eachOnce, identityOf } from './tensor/identity.js'
export { epsilon, isHalf, kernelTolerance } from './tensor/rounding.js'
export { expectTensor, handlesOf } from './tensor/tensor.js'
