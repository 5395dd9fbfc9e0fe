import { backward, grad } from './autograd/autograd.js'
import { autocast, getAutocastDtype, isAutocastEnabled } from './context/autocast.js'
import {
  detectAnomaly,
  enableGrad,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
} from './context/context.js'
import { sdpaKernel } from './context/sdpa-kernel.js'
import {
  areDeterministicAlgorithmsEnabled,
  backends,
  getFloat32MatmulPrecision,
  isDeterministicAlgorithmsWarnOnlyEnabled,
  setFloat32MatmulPrecision,
  useDeterministicAlgorithms,
} from './device/backends.js'
import { cuda } from './device/cuda.js'
import { Generator } from './device/generator.js'
import { getRngState, initialSeed, manualSeed, seed, setRngState } from './device/random.js'
import { getNumInteropThreads, getNumThreads, setNumInteropThreads, setNumThreads } from './device/threads.js'
import { aten } from './operators/ops.js'
import { Tensor } from './tensor/tensor.js'

/** What Python has under `torch` beside the operators, with Python's names in camelCase. */
const functions = {
  Generator,
  areDeterministicAlgorithmsEnabled,
  autocast,
  /** As Python's `torch.autograd`. */
  autograd: { backward, detectAnomaly, grad },
  backends,
  cuda,
  enableGrad,
  fromBuffer: Tensor.fromBuffer,
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
  /** As Python's `torch.nn.attention`. */
  nn: { attention: { sdpaKernel } },
  noGrad,
  seed,
  setFloat32MatmulPrecision,
  setGradEnabled,
  setNumInteropThreads,
  setNumThreads,
  setRngState,
  tensor: Tensor.from,
  useDeterministicAlgorithms,
}

/**
 * PyTorch's functions:
 * - every ATen operator by its name: `torch.matmul(a, b)`, `torch.linalg_svd(a, { full_matrices: false })`;
 * - the same operators off the event loop: `await torch.async.matmul(a, b)`;
 * - all namespaces and single overloads: `torch.ops.aten.add.Tensor(a, b)`;
 * - `torch.tensor`, `torch.fromBuffer`, and what else Python has there: `torch.noGrad(…)`, `torch.autograd.grad(…)`,
 *   `torch.cuda.isAvailable()`.
 *
 * Arguments are positional; one plain object at the end holds keyword arguments under the names of the operator's schema.
 */
export const torch = Object.assign(aten, functions) as typeof aten & typeof functions
