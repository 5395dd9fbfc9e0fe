import type {
  DisposableHandle,
  GeneratorHandle,
  GradientReducerHandle,
  ModuleHandle,
  NativeValue,
  ObjectHandle,
  OperatorHandle,
  ProcessGroupHandle,
  TensorHandle,
} from './handles.js'
import type { DataFlow, GraphBlock, ModuleKind, ModuleNode } from './module-description.js'
import type { DeviceProperties, NativeMeeting, NativePreprocess, NativeTap } from './structures.js'

/**
 * The exports of the addon (native/binding). Arguments are positional, and TypeScript checks them before the call. `modes` are those of the
 * context (context.ts).
 */
export interface Addon {
  /** Identifies this environment for the second one, in which handles are finalized (native/binding/env_data.h). */
  readonly environment: unknown

  tensorFromTypedArray(
    values: NodeJS.TypedArray,
    stores: string,
    shape: readonly number[],
    device: string,
    modes: number,
    dtype?: string,
  ): TensorHandle
  tensorFromBuffer(bytes: Uint8Array, dtype: string, shape: readonly number[], modes: number): TensorHandle
  tensorToArrayBuffer(tensor: TensorHandle, dtype?: string): ArrayBuffer
  tensorAsArrayBuffer(tensor: TensorHandle): ArrayBuffer
  tensorShape(tensor: TensorHandle): number[]
  tensorStrides(tensor: TensorHandle): number[]
  tensorDim(tensor: TensorHandle): number
  tensorLayout(tensor: TensorHandle): string
  /** The index of the dtype in `dtypeNames()`. */
  tensorDtype(tensor: TensorHandle): number
  dtypeNames(): string[]
  tensorDevice(tensor: TensorHandle): string
  tensorRequiresGrad(tensor: TensorHandle): boolean
  tensorSetRequiresGrad(tensor: TensorHandle, value: boolean, modes: number): void
  /** Whether both are the same tensor, and do not merely share memory. */
  isSameTensor(a: TensorHandle, b: TensorHandle): boolean
  tensorIsLeaf(tensor: TensorHandle): boolean
  tensorGradFn(tensor: TensorHandle): string | null
  tensorTo(
    tensor: TensorHandle,
    modes: number,
    device: string | undefined,
    dtype: string | undefined,
    nonBlocking: boolean,
    copy: boolean,
    memoryFormat: string | undefined,
  ): TensorHandle
  tensorGetItem(tensor: TensorHandle, modes: number, indices: NativeValue[]): TensorHandle
  tensorSetItem(tensor: TensorHandle, modes: number, indices: NativeValue[], value: NativeValue): void
  tensorItem(tensor: TensorHandle): number | bigint | boolean | Float64Array
  dispose(handle: DisposableHandle): void
  isDisposed(handle: DisposableHandle): boolean
  disposedHandle(): TensorHandle
  memoryStats(): { tensors: number; bytes: number; allocatedBytes: number; cachedBytes: number }

  operatorSchemas(): string[]
  findOperator(name: string): OperatorHandle
  callOperator(
    operator: OperatorHandle,
    modes: number,
    keyword: Record<string, NativeValue> | undefined,
    /** A disposed handle, which then holds the result if that is one tensor; or the handle of the tensor that the operator returns. */
    spare: TensorHandle | undefined,
    ...positional: NativeValue[]
  ): NativeValue
  callOperatorAsync(
    operator: OperatorHandle,
    modes: number,
    keyword: Record<string, NativeValue> | undefined,
    ...positional: NativeValue[]
  ): Promise<NativeValue>

  loadModule(source: string | TensorHandle, device: string): Promise<ModuleHandle>
  callModule(
    module: ModuleHandle,
    method: string,
    modes: number,
    positional: NativeValue[],
    keyword: Record<string, NativeValue> | undefined,
    taps: NativeTap[],
    replace: ((tap: number, value: NativeValue) => NativeValue) | undefined,
  ): Promise<[output: NativeValue, captures: [tap: number, value: NativeValue][]]>
  saveModule(module: ModuleHandle, path: string, extraFiles: [name: string, text: string][]): Promise<void>
  moduleSubmodule(module: ModuleHandle, path: string): ModuleHandle
  /** `eval` and `shift` hold the module in eval mode, `shift` to write to it at the end; `work` counts as a pending call. */
  moduleView(module: ModuleHandle, kind: 'plain' | 'eval' | 'shift' | 'work'): ModuleHandle
  moduleExpectIdle(module: ModuleHandle, what: string): void
  moduleModes(module: ModuleHandle): boolean[]
  moduleGiveBack(module: ModuleHandle, modes: readonly boolean[]): Promise<void>
  /** Only for a view that holds its module in eval mode. */
  moduleWrite(
    module: ModuleHandle,
    weights: TensorHandle[],
    values: TensorHandle[],
    forced: boolean,
  ): Promise<void>
  moduleTo(module: ModuleHandle, device: string, dtype: string, memoryFormat: string): Promise<void>
  moduleCopy(
    module: ModuleHandle,
    how: 'clone' | 'freeze' | 'optimize',
    preserved: readonly string[],
  ): Promise<ModuleHandle>
  shareModule(module: ModuleHandle): number
  adoptModule(id: number): ModuleHandle

  callObject(
    object: ObjectHandle | ModuleHandle,
    method: string,
    modes: number,
    positional: NativeValue[],
    keyword: Record<string, NativeValue> | undefined,
  ): Promise<NativeValue>
  objectType(object: ObjectHandle | ModuleHandle): string
  objectMethods(object: ObjectHandle | ModuleHandle): string[]
  objectAttributes(object: ObjectHandle | ModuleHandle): [name: string, type: string][]
  objectAttribute(object: ObjectHandle | ModuleHandle, name: string): NativeValue
  objectSetAttribute(object: ObjectHandle | ModuleHandle, name: string, value: NativeValue): void
  objectCode(object: ObjectHandle | ModuleHandle, method: string): string
  objectGraph(object: ObjectHandle | ModuleHandle, method: string, inlined: boolean): string

  moduleParameters(module: ModuleHandle): [name: string, tensor: TensorHandle][]
  moduleBuffers(module: ModuleHandle): [name: string, tensor: TensorHandle][]
  moduleTree(module: ModuleHandle): ModuleNode[]
  moduleCalledSubmodules(module: ModuleHandle, method: string): string[]
  moduleDataFlow(module: ModuleHandle, method: string): DataFlow
  moduleGraphTree(module: ModuleHandle, method: string): GraphBlock
  moduleKind(module: ModuleHandle): ModuleKind
  moduleExtraFiles(module: ModuleHandle): Record<string, string>
  moduleTrain(module: ModuleHandle, mode: boolean): void
  moduleIsTraining(module: ModuleHandle): boolean

  /** Equal for two handles of the same tensor. Views of a tensor have identities of their own. */
  tensorIdentity(tensor: TensorHandle): bigint
  tensorStorage(tensor: TensorHandle): { id: bigint; bytes: TensorHandle; offset: number; strides: number[] }
  tensorFromStorage(
    bytes: TensorHandle,
    dtype: string,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ): TensorHandle
  refuseWrite(tensor: TensorHandle, what: string): void
  archiveRecords(source: string | TensorHandle): Promise<[name: string, bytes: number][]>
  readRecords(source: string | TensorHandle, names: string[]): Promise<TensorHandle[]>
  writeArchive(path: string, records: [name: string, tensor: TensorHandle][]): Promise<void>
  readFileBytes(path: string, offset: number, length: number): Promise<TensorHandle>
  writeFileBytes(path: string, parts: TensorHandle[]): Promise<void>

  grad(
    modes: number,
    outputs: TensorHandle[],
    inputs: TensorHandle[],
    gradOutputs: TensorHandle[],
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
    detectAnomaly: boolean,
    accumulate: boolean,
  ): Promise<(TensorHandle | null)[]>
  tensorGrad(tensor: TensorHandle): TensorHandle | null
  tensorSetGrad(tensor: TensorHandle, gradient: TensorHandle | null): void
  tensorRegisterHook(
    tensor: TensorHandle,
    listener: (gradient: TensorHandle, recording: boolean) => TensorHandle | undefined,
  ): () => void

  processGroupBackends(): string[]
  connectProcessGroup(meeting: NativeMeeting): Promise<ProcessGroupHandle>
  allReduce(group: ProcessGroupHandle, tensors: TensorHandle[], reduction: number): Promise<void>
  broadcast(group: ProcessGroupHandle, tensors: TensorHandle[], root: number): Promise<void>
  /** Returns [size, …]; for rows, tensors [n, …] whose n may differ, [Σ n, …]. */
  gather(group: ProcessGroupHandle, tensor: TensorHandle, rows: boolean): Promise<TensorHandle>
  barrier(group: ProcessGroupHandle): Promise<void>
  createReducer(
    group: ProcessGroupHandle,
    parameters: TensorHandle[],
    bucketBytes: number,
  ): GradientReducerHandle
  prepareReducer(reducer: GradientReducerHandle): Promise<void>

  /** Returns a number for `releaseMemory`. */
  holdMemory(what: string, tensors: TensorHandle[]): number
  releaseMemory(held: number): void
  lastTask(): number
  cancelTask(task: number, reason: unknown): void
  pendingTasks(): number
  setQueueLimit(limit: number): void
  stopLane(): void
  setCollector(collect: (full: boolean) => void): void
  /** Sets the class of the errors that the addon throws. It must be called before anything else. */
  setErrorClass(made: new (code: string, message: string) => Error): void
  createGenerator(device: string, seed: bigint): GeneratorHandle
  defaultGenerator(device: string): GeneratorHandle
  /** Seeds the default generators of all devices. */
  manualSeed(seed: bigint): void
  generatorDevice(generator: GeneratorHandle): string
  generatorSetSeed(generator: GeneratorHandle, seed: bigint): void
  generatorSeed(generator: GeneratorHandle): bigint
  generatorInitialSeed(generator: GeneratorHandle): bigint
  generatorGetState(generator: GeneratorHandle): TensorHandle
  generatorSetState(generator: GeneratorHandle, state: TensorHandle): void

  deviceCount(type: string): number
  currentDevice(type: string): number
  synchronize(device: string): Promise<void>
  deviceProperties(device: string): DeviceProperties | null
  deviceMemoryStats(device: string): Record<string, number>
  deviceMemoryInfo(device: string): [free: number, total: number]
  resetPeakMemoryStats(device: string): void
  resetAccumulatedMemoryStats(device: string): void
  emptyCache(type: string): void

  getNumThreads(): number
  setNumThreads(threads: number): void
  getNumInteropThreads(): number
  setNumInteropThreads(threads: number): void
  getSwitch(name: string): boolean
  setSwitch(name: string, on: boolean): void
  getFloat32MatmulPrecision(): string
  setFloat32MatmulPrecision(precision: string): void
  getDeterminism(): [mode: boolean, warnOnly: boolean]
  setDeterminism(mode: boolean, warnOnly: boolean): void
  /** Returns null if the image must be decoded by a more general decoder (native/core/image/jpeg.h). */
  decodeJpeg(path: string, channels: number): Promise<TensorHandle | null>
  /** Writes a row of `batch`, float32 [N, C, crop, crop]. Returns false if the image must be decoded by a more general decoder. */
  loadJpeg(path: string, recipe: NativePreprocess, batch: TensorHandle, row: number): Promise<boolean>
  preprocessImages(images: TensorHandle, recipe: NativePreprocess): TensorHandle
  /** Detaches the buffer of the bytes. */
  preprocessBytes(
    bytes: Uint8Array,
    shape: readonly number[],
    recipe: NativePreprocess,
    batch: TensorHandle,
    row: number,
  ): Promise<void>
  hasJpegDecoder(): boolean

  runtimeInfo(): {
    torchVersion: string
    library: string
    devices: string[]
    threads: number
    cpuCapability: string
  }
}
