import { autocast, getAutocastDtype, isAutocastEnabled } from './autocast.js'
import {
  areDeterministicAlgorithmsEnabled,
  backends,
  getFloat32MatmulPrecision,
  isDeterministicAlgorithmsWarnOnlyEnabled,
  setFloat32MatmulPrecision,
  useDeterministicAlgorithms,
} from './backends.js'
import { enableGrad, inferenceMode, isGradEnabled, isInferenceModeEnabled, noGrad } from './context.js'
import { cuda } from './cuda.js'
import { Generator } from './generator.js'
import { getRngState, initialSeed, manualSeed, seed, setRngState } from './random.js'
import { getNumInteropThreads, getNumThreads, setNumInteropThreads, setNumThreads } from './threads.js'

/** What Python has under `torch` beside the operators. */
export const functions = {
  Generator,
  areDeterministicAlgorithmsEnabled,
  autocast,
  backends,
  cuda,
  enableGrad,
  getAutocastDtype,
  getFloat32MatmulPrecision,
  getNumInteropThreads,
  getNumThreads,
  getRngState,
  inferenceMode,
  initialSeed,
  isAutocastEnabled,
  isDeterministicAlgorithmsWarnOnlyEnabled,
  isGradEnabled,
  isInferenceModeEnabled,
  manualSeed,
  noGrad,
  seed,
  setFloat32MatmulPrecision,
  setNumInteropThreads,
  setNumThreads,
  setRngState,
  useDeterministicAlgorithms,
}
