/**
 * PyTorch for TypeScript: tensors with every ATen operator, TorchScript modules with hooks, autograd, weights files, devices and process
 * groups. It does not depend on datasets or on optimum shifting.
 *
 * @module torch
 */

// These files add methods to the class Tensor.
import './autograd/tensor-autograd.js'
import './tensor/indexing.js'
import './tensor/tensor-as-value.js'
import './tensor/tensor-conversions.js'
import './tensor/tensor-elements.js'

// The class of every error of this package, with a `code`.

export { SosError } from '../base/index.js'

// Tensors and operators

export type { AsyncOperators, Operators, TensorMethods } from './operators/operators.generated.js'
export { callOperator, callOperatorAsync } from './operators/ops.js'
export type { NamedTuple, NativeObject, Value } from './operators/values.js'
export { Complex, complex } from './tensor/complex.js'
export type { Device, DType, Layout, MemoryFormat, Scalar, TypedArray } from './tensor/dtype.js'
export type { BufferOptions, TensorOptions } from './tensor/elements.js'
export type { TensorIndexing } from './tensor/indexing.js'
export { type Index, Slice, slice } from './tensor/indexing.js'
export type { NestedArray, NestedValues } from './tensor/nested-array.js'
export { Tensor } from './tensor/tensor.js'
export type { TensorAsValue } from './tensor/tensor-as-value.js'
export type { TensorConversions } from './tensor/tensor-conversions.js'
export type { TensorElements } from './tensor/tensor-elements.js'
export type { ToOptions } from './tensor/to-options.js'
export { torch } from './torch.js'

// Memory, and the order of work

export { pendingCalls, setQueueLimit, withSignal } from './context/lane.js'
export { emptyCache, type MemoryStats, memoryStats } from './tensor/memory.js'
export { keepTensor, scope } from './tensor/scope.js'

// TorchScript modules and their hooks

export type { HookHandle } from './context/hook-handle.js'
export { HookableModule } from './module/hookable-module.js'
export type {
  CaptureTreatment,
  ForwardHook,
  ForwardPreHook,
  HookEvent,
  ObserveOptions,
  PreHookEvent,
  ReplaceOptions,
  ReplacingHook,
  ReplacingPreHook,
} from './module/hooks.js'
export { ModuleTree } from './module/module-tree.js'
export { ScriptModule, type SharedModule } from './module/script-module.js'
export { ScriptObject } from './module/script-object.js'
export { StatefulModule } from './module/stateful-module.js'
export type {
  ArgumentSource,
  DataFlow,
  GraphBlock,
  GraphNode,
  GraphValue,
  ModuleKind,
  ModuleNode,
  OperatorCall,
} from './native/module-description.js'

// Derivatives. `torch.autograd` has grad and backward.

export type { BackwardOptions, GradOptions } from './autograd/autograd.js'
export { hvp, hvpOfGradients, jvp, vjp } from './autograd/autograd.js'
export type { TensorAutograd } from './autograd/tensor-autograd.js'

// Weights

export type { LoadResult } from './serialization/copy-state.js'
export { readSafetensors, type Safetensors, writeSafetensors } from './serialization/safetensors.js'
export {
  type LoadStateDictOptions,
  loadStateDict,
  type SaveStateDictOptions,
  type StateDict,
  saveStateDict,
} from './serialization/state-dict.js'

// Types for the functions of `torch` that concern devices and modes

export type { AutocastDevice, AutocastDType, AutocastOptions } from './context/autocast.js'
export type { SDPBackend } from './context/sdpa-kernel.js'
export type { MatmulPrecision } from './device/backends.js'
export type { CudaDevice } from './device/cuda.js'
export type { Generator, Seed } from './device/generator.js'
export { type RuntimeInfo, runtimeInfo } from './device/runtime.js'
export type { DeviceProperties } from './native/structures.js'

// Several processes

export { GradientReducer, type GradientReducerOptions } from './distributed/gradient-reducer.js'
export {
  ProcessGroup,
  type ProcessGroupBackend,
  type ProcessGroupOptions,
  type Reduction,
} from './distributed/process-group.js'
