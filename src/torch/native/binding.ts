import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { SosError } from '../../base/index.js'

declare const brand: unique symbol
/** Native objects, opaque here; the classes of this folder keep them private. */
export type TensorHandle = { readonly [brand]: 'Tensor' }
export type ModuleHandle = { readonly [brand]: 'ScriptModule' }
export type ObjectHandle = { readonly [brand]: 'ScriptObject' }
export type GeneratorHandle = { readonly [brand]: 'Generator' }
export type ProcessGroupHandle = { readonly [brand]: 'ProcessGroup' }
export type GradientReducerHandle = { readonly [brand]: 'GradientReducer' }
export type OperatorHandle = { readonly [brand]: 'Operator' }

export type DisposableHandle =
  | TensorHandle
  | ModuleHandle
  | ObjectHandle
  | ProcessGroupHandle
  | GradientReducerHandle

/** What crosses the boundary: tensors and generators as handles, a complex number as its two parts, all else as itself. */
export type NativeValue =
  | TensorHandle
  | GeneratorHandle
  | ObjectHandle
  | ModuleHandle
  | number
  | bigint
  | boolean
  | string
  | null
  | undefined
  | Float64Array
  | NativeValue[]
  | Map<NativeValue, NativeValue>
  | { [name: string]: NativeValue }

/** A module of the tree, as `ScriptModule.modules()` lists them. */
export interface ModuleNode {
  /** Dotted path from the root, whose own is ''. */
  path: string
  /** The Python class, as `torch.nn.modules.linear.Linear`. */
  type: string
  /** The module's own parameters, without its children's. */
  parameters: { name: string; shape: number[]; dtype: string }[]
  /** The operators that the module's own methods call, as `aten::linear`, each once. */
  operators: string[]
}

/** Where a value comes from, as an argument of an operator's call (native/core/data_flow.h). */
export interface ArgumentSource {
  /** The index of an input of the method. */
  input?: number
  /** The dotted path of a tensor of the module: a parameter or a buffer. */
  attribute?: string
  /** Of a tensor that is an attribute or a constant. */
  dtype?: string
  /** A constant, or the present value of an attribute that is no tensor. */
  value?: unknown
  /** The operator that computed it, as `aten::pad`. */
  resultOf?: string
  /** Beside `resultOf`: the place of that call among the calls. */
  call?: number
  /** Beside `call`: which of its results, or of the items of its list. */
  output?: number
  /** Those of the items of a list that is no constant. */
  items?: ArgumentSource[]
  /** Those of the keys and the values of a dictionary, in turn. */
  entries?: ArgumentSource[]
  /** One of these, as conditions decide at run time; a condition on `training` is taken as in eval mode. */
  choices?: ArgumentSource[]
}

/** A call of an operator in the graph of a method. */
export interface OperatorCall {
  /** As `aten::conv2d`. */
  operator: string
  /** The dotted path of the submodule whose code calls it. */
  module: string
  /** Whether it stands under a condition that is known not to hold in eval mode. */
  skipped: boolean
  /** By the names of the operator's schema. */
  arguments: Record<string, ArgumentSource>
}

/** What a method computes. */
export interface DataFlow {
  /** In the order of its graph. */
  calls: OperatorCall[]
  /** Where what it returns comes from. */
  result: ArgumentSource
}

/** A place in a module at which a call is listened to (native/core/tapped_graph.h). */
export interface NativeTap {
  path: string
  before: boolean
  method?: string
  replaces: boolean
  /** It is an error where no method of the module calls what is listened to. */
  expected: boolean
  detach: boolean
  reduce?: string
  device?: string
}

/** How images become a network's input (native/core/preprocess.h); 0 for no resizing or no crop. */
export interface NativePreprocess {
  resize: number
  bicubic: boolean
  crop: number
  mean: readonly number[]
  std: readonly number[]
}

/** Which process of which group is to be connected (native/core/process_group.h). */
export interface NativeMeeting {
  host: string
  port: number
  serves: boolean
  prefix: string
  backend: string
  rank: number
  size: number
  /** Milliseconds. */
  timeout: number
}

/**
 * How a TorchScript module was made: by `torch.jit.script`, by `torch.jit.trace` (its mode, train or eval, is baked in), or by
 * `torch.jit.freeze` (its weights are); undetermined where nothing in it differs
 * between these.
 */
export type ModuleKind = 'scripted' | 'traced' | 'frozen' | 'undetermined'

/** What the driver of CUDA tells of a device, as Python's `torch.cuda.get_device_properties`. */
export interface DeviceProperties {
  /** As `NVIDIA H100 80GB HBM3`. */
  name: string
  /** Compute capability, before and after the point. */
  major: number
  minor: number
  /** Bytes. */
  totalMemory: number
  /** Streaming multiprocessors. */
  multiProcessorCount: number
  /** Threads in a warp. */
  warpSize: number
  /** Threads that one multiprocessor holds at a time. */
  maxThreadsPerMultiProcessor: number
  /** Bytes. */
  l2CacheSize: number
  /** Bytes. */
  sharedMemoryPerBlock: number
  /** Whether it shares the memory of the CPU. */
  integrated: boolean
}

/**
 * The addon's exports (native/binding). Arguments are positional and valid; TypeScript checks them before. `modes` is the
 * context's (context.ts).
 */
export interface Binding {
  /** Finds this environment from the second one, in which handles are finalized (native/binding/env_data.h). */
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
  /** The dtype's place in `dtypeNames()`. */
  tensorDtype(tensor: TensorHandle): number
  dtypeNames(): string[]
  tensorDevice(tensor: TensorHandle): string
  tensorRequiresGrad(tensor: TensorHandle): boolean
  tensorSetRequiresGrad(tensor: TensorHandle, value: boolean, modes: number): void
  /** Whether both hold the same tensor, and not just its memory. */
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
  memoryStats(): { tensors: number; bytes: number; cachedBytes: number }

  operatorSchemas(): string[]
  findOperator(name: string): OperatorHandle
  callOperator(
    operator: OperatorHandle,
    modes: number,
    keyword: Record<string, NativeValue> | undefined,
    /** A disposed external, which then holds the result, if that is one tensor; or that of the tensor that the result is. */
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
  /** One that holds the module in eval mode, perhaps to write to it in the end, or that counts as a pending call. */
  moduleView(module: ModuleHandle, kind: 'plain' | 'eval' | 'shift' | 'work'): ModuleHandle
  moduleExpectIdle(module: ModuleHandle, what: string): void
  moduleModes(module: ModuleHandle): boolean[]
  moduleGiveBack(module: ModuleHandle, modes: readonly boolean[]): Promise<void>
  /** Of a view that holds its module in eval mode. */
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
  moduleKind(module: ModuleHandle): ModuleKind
  moduleExtraFiles(module: ModuleHandle): Record<string, string>
  moduleTrain(module: ModuleHandle, mode: boolean): void
  moduleIsTraining(module: ModuleHandle): boolean

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
  /** [size, …], or of rows [n, …], whose n differ, [Σ n, …]. */
  gather(group: ProcessGroupHandle, tensor: TensorHandle, rows: boolean): Promise<TensorHandle>
  barrier(group: ProcessGroupHandle): Promise<void>
  createReducer(
    group: ProcessGroupHandle,
    parameters: TensorHandle[],
    bucketBytes: number,
  ): GradientReducerHandle
  prepareReducer(reducer: GradientReducerHandle): Promise<void>

  /** A number for `releaseMemory`. */
  holdMemory(what: string, tensors: TensorHandle[]): number
  releaseMemory(held: number): void
  lastTask(): number
  cancelTask(task: number, reason: unknown): void
  pendingTasks(): number
  setQueueLimit(limit: number): void
  stopLane(): void
  setCollector(collect: (full: boolean) => void): void
  /** The class of whatever the addon throws; to be told before anything else is called. */
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
  /** Null where the image is left to a more general decoder (native/core/jpeg.h). */
  decodeJpeg(path: string, channels: number): Promise<TensorHandle | null>
  /** Into a row of `batch`, float32 [N, C, crop, crop]; false where it is left to a more general decoder. */
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

/** Where cmake-js leaves the addon, seen from src/torch and dist/torch alike. */
export const addonPath = fileURLToPath(
  new URL('../../../build/native/Release/sos_native.node', import.meta.url),
)

/** V8's collector, which the addon calls when tensors that V8 takes for small objects fill the memory. */
function collector(): (full: boolean) => void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void
  return (full) => gc({ type: full ? 'major' : 'minor' })
}

function load(): Binding {
  if (!existsSync(addonPath)) {
    throw new SosError(
      'ERR_ADDON_MISSING',
      `expected the native addon at ${addonPath} but it was not built; run \`npm run setup\``,
    )
  }
  try {
    const loaded = createRequire(import.meta.url)(addonPath) as Binding
    // A second Node-API environment, in which handles are finalized: native/binding/env_data.h tells why.
    process.dlopen({ exports: { finalizerOf: loaded } }, addonPath)
    return loaded
  } catch (cause) {
    throw new SosError(
      'ERR_ADDON_LOAD',
      `the native addon ${addonPath} does not load: ${(cause as Error).message}; was libtorch moved or Node replaced since it was built? Run \`npm run setup\``,
      { cause },
    )
  }
}

export const binding: Binding = load()
binding.setErrorClass(SosError)
binding.setCollector(collector())
// libtorch must be idle when its statics are destroyed. What is at work is waited for, what is not begun is dropped.
process.on('exit', () => binding.stopLane())
