// What the package's other folders use of this one beside its front door, index.ts. It is no part of the package's interface.

export { backward, grad } from './autograd/autograd.js'
export { autocast, getAutocastDtype, isAutocastEnabled } from './context/autocast.js'
export {
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  runIn,
  setGradEnabled,
} from './context/context.js'
export { sdpaKernel } from './context/sdpa-kernel.js'
export {
  areDeterministicAlgorithmsEnabled,
  backends,
  getFloat32MatmulPrecision,
  isDeterministicAlgorithmsWarnOnlyEnabled,
  setFloat32MatmulPrecision,
  useDeterministicAlgorithms,
} from './device/backends.js'
export { cuda } from './device/cuda.js'
export { Generator } from './device/generator.js'
export { getRngState, initialSeed, manualSeed, setRngState } from './device/random.js'
export { getNumInteropThreads, getNumThreads, setNumInteropThreads, setNumThreads } from './device/threads.js'
export { decodeJpeg, hasJpegDecoder, loadJpeg, preprocessBytes, preprocessImages } from './images.js'
export { expectModule, noSuchModule } from './module/script-module.js'
export { foreignFile, foreignFileStart } from './serialization/foreign-file.js'
export { type Memory, memoryOf, overlap, storageOf } from './serialization/storage.js'
export { elementLayout, isFloating } from './tensor/dtype.js'
export { hold } from './tensor/hold.js'
export { epsilon, isHalf, kernelTolerance } from './tensor/rounding.js'
export { expectTensor, handlesOf } from './tensor/tensor.js'
