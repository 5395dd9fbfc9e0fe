import { resolve } from 'node:path'
import { inspect } from 'node:util'

import { writeAtomically } from '../atomic-file.js'
import {
  binding,
  type DataFlow,
  type ModuleHandle,
  type ModuleKind,
  type ModuleNode,
  type OperatorCall,
} from '../binding.js'
import { currentContext } from '../context.js'
import { nearest, SosError } from '../errors.js'
import { onLane } from '../lane.js'
import { scope } from '../scope.js'
import { bytesTensor } from '../serialization/byte-source.js'
import { collectState, copyStateDict, type LoadResult } from '../serialization/copy-state.js'
import type { Device, DType, MemoryFormat } from '../tensor/dtype.js'
import { Tensor } from '../tensor/tensor.js'
import { fromNative, setWrappers, type Value } from '../values.js'
import {
  type ForwardHook,
  type ForwardPreHook,
  type HookHandle,
  HookRegistry,
  matchPaths,
  type ObserveOptions,
  type ReplaceOptions,
  type ReplacingHook,
  type ReplacingPreHook,
} from './hooks.js'
import { ScriptObject, splitArguments } from './script-object.js'

/** A module of this process as a message to a worker thread carries it. */
export interface SharedModule {
  /** A number by which this process knows the module. */
  readonly sharedModule: number
  /** As that of the module. */
  readonly path: string
  /** As that of the module. */
  readonly device: Device
}

/** A TorchScript module: what `torch.jit.script(model).save(FILE)` or `torch.jit.trace` leaves in Python. */
export class ScriptModule extends ScriptObject {
  readonly #handle: ModuleHandle
  readonly #hooks: HookRegistry
  /** Pending calls, of views too. */
  readonly #calls: { pending: number }
  #warned = false
  /** Of a module without tensors of its own. */
  #placed: Device

  /** The file it was loaded from; `<buffer>` where that was bytes; with the submodule's path where it is a part. */
  readonly path: string

  /**
   * Not for users: {@link ScriptModule.load}, methods and {@link submodule} make modules.
   *
   * @internal
   */
  constructor(handle: ModuleHandle, path: string, device: Device = 'cpu', of: ScriptModule | null = null) {
    super(handle)
    this.#hooks = new HookRegistry(of === null ? [] : of.#hooks.active())
    this.#calls = of === null ? { pending: 0 } : of.#calls
    this.#handle = handle
    this.path = path
    this.#placed = device
  }

  /**
   * Loads a TorchScript archive, a file or its bytes (which are copied), off the event loop.
   *
   * TorchScript is a program: run files only of those whom you would let run a script on your machine.
   *
   * @param options.device where the weights go, whichever device they were saved from; default: `cpu`
   * @throws `ERR_FILE_NOT_FOUND`, `ERR_NOT_TORCHSCRIPT`, `ERR_LEGACY_TORCHSCRIPT`, `ERR_STATE_DICT`, `ERR_DEVICE`
   */
  static async load(source: string | Uint8Array, options: { device?: Device } = {}): Promise<ScriptModule> {
    const device = options.device ?? 'cpu'
    if (typeof source === 'string') {
      return new ScriptModule(await onLane(() => binding.loadModule(resolve(source), device)), source, device)
    }
    const bytes = bytesTensor(source)
    try {
      return new ScriptModule(await onLane(() => binding.loadModule(bytes, device)), '<buffer>', device)
    } finally {
      binding.dispose(bytes)
    }
  }

  /**
   * Takes over a module that another thread of this process lends by {@link share}: the same weights, no copy.
   *
   * @throws `ERR_SHARED_GONE` where it was freed there before
   */
  static fromShared(shared: SharedModule): ScriptModule {
    return new ScriptModule(binding.adoptModule(shared.sharedModule), shared.path, shared.device)
  }

  /**
   * What to post to a worker thread, which gets the module by {@link fromShared}. Forwards in eval mode run side by side;
   * one in train mode runs alone. Hooks are each thread's own. Keep this module until the worker has it.
   *
   * From then on its weights keep their memory, which any thread may be reading: `to()` of the module and `set_()` of a weight throw
   * `ERR_BUSY`, `resize_()` throws `ERR_TORCH`. `copy_()` and `loadStateDict()` write to it.
   *
   * @throws `ERR_INVALID_ARGUMENT` where a weight uses a JavaScript array's memory (`fromBuffer`), which ends with its thread
   */
  share(): SharedModule {
    return { sharedModule: binding.shareModule(this.#handle), path: this.path, device: this.device }
  }

  /**
   * The same module again, with hooks of its own: those that are set on the view are of the view's calls alone, so that of several
   * tasks that use one module none hears the calls of another. It begins with the hooks that this object has now, which
   * hold until they are removed here; hooks that are set here later are not the view's. Weights and mode are the module's.
   *
   * @example
   * using view = model.view()
   * view.registerForwardPreHook('fc', ({ inputs: [x] }) => console.log((x as Tensor).shape))
   * await Promise.all([view.forward(images), model.forward(others)]) // tells of images alone
   */
  view(): ScriptModule {
    return new ScriptModule(binding.moduleAgain(this.#handle), this.path, this.#placed, this)
  }

  /**
   * Calls `forward`, off the event loop, on the weights and in the mode of the moment at which it runs: calls run one
   * after another, in the order in which they were made. Arguments are as in {@link call}.
   */
  async forward<T extends Value = Tensor>(...inputs: unknown[]): Promise<T> {
    return (await this.call('forward', ...inputs)) as T
  }

  override async call(method: string, ...inputs: unknown[]): Promise<Value> {
    const { positional, keyword } = splitArguments(inputs)
    const { taps, replace, deliver } = this.#hooks.snapshot()
    const { modes } = currentContext()
    const [output, captures] = await this.#track(() =>
      binding.callModule(this.#handle, method, modes, positional, keyword, taps, replace),
    )
    deliver(captures)
    return fromNative(output)
  }

  /** Whether hooks are set that its next call would run. */
  get hooked(): boolean {
    return !this.#hooks.isEmpty
  }

  /** How it was made. A frozen module has neither parameters nor submodules left. */
  get kind(): ModuleKind {
    return binding.moduleKind(this.#handle)
  }

  /** All modules, the root first, in the order of their registration. */
  modules(): ModuleNode[] {
    return binding.moduleTree(this.#handle)
  }

  /** The submodule at a dotted path, which shares the weights; its hooks are its own. Throws `ERR_NO_SUCH_MODULE`. */
  submodule(path: string): ScriptModule {
    this.#expand(path)
    return new ScriptModule(binding.moduleSubmodule(this.#handle, path), `${this.path}:${path}`, this.device)
  }

  /** The direct submodules by their names. */
  children(): Map<string, ScriptModule> {
    const names = this.modules().flatMap(({ path }) => (path !== '' && !path.includes('.') ? [path] : []))
    return new Map(names.map((name) => [name, this.submodule(name)]))
  }

  /** Paths of the submodules that `method` calls, in the order of the calls in its graph. */
  calledSubmodules(method = 'forward'): string[] {
    return binding.moduleCalledSubmodules(this.#handle, method)
  }

  /**
   * The operators that `method` calls, itself and by way of submodules, in the order of its graph, each with where its
   * arguments come from. What stands in a loop or under a condition is listed once.
   *
   * @throws `ERR_NO_METHOD`
   */
  operatorCalls(method = 'forward'): OperatorCall[] {
    return this.dataFlow(method).calls
  }

  /**
   * {@link operatorCalls}, and where what `method` returns comes from: the way from the result back to weights and inputs.
   *
   * @throws `ERR_NO_METHOD`
   */
  dataFlow(method = 'forward'): DataFlow {
    return binding.moduleDataFlow(this.#handle, method)
  }

  /** The parameters by their dotted names, in the order of their registration. They are the module's own memory: writing to them changes the module. */
  namedParameters(): Map<string, Tensor> {
    return new Map(binding.moduleParameters(this.#handle).map(([name, handle]) => [name, new Tensor(handle)]))
  }

  /** The parameters alone, as {@link namedParameters} orders them. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()]
  }

  /** The buffers, such as BatchNorm's running statistics, by their dotted names; the module's own memory too. */
  namedBuffers(): Map<string, Tensor> {
    return new Map(binding.moduleBuffers(this.#handle).map(([name, handle]) => [name, new Tensor(handle)]))
  }

  /**
   * Parameters and buffers by their dotted names, in Python's order. They are the module's own memory, and detached:
   * `saveStateDict` writes them, writing to them changes the module.
   */
  stateDict(): Map<string, Tensor> {
    const paths = this.modules().map(({ path }) => path)
    return collectState(paths, this.namedParameters(), this.namedBuffers())
  }

  /**
   * Copies tensors, as `loadStateDict(FILE)` reads them, into the parameters and buffers of the same names, under no
   * gradient, converting dtype and device. All are checked before the first is written.
   *
   * @param options.strict default: true, as in PyTorch: names that do not match are an error, else they are returned
   * @throws `ERR_STATE_DICT_MISMATCH` for names (where strict) and shapes, `ERR_FROZEN`, `ERR_BUSY`
   */
  loadStateDict(stateDict: ReadonlyMap<string, Tensor>, options: { strict?: boolean } = {}): LoadResult {
    this.#refuseWhilePending('loadStateDict()')
    if (this.kind === 'frozen') throw this.#frozen('has its weights baked in')
    return copyStateDict(this.stateDict(), stateDict, options.strict ?? true, this.modules()[0]!.type)
  }

  /**
   * Where its weights are, as `cpu` or `cuda:0`: the device of the first parameter, or buffer. A module that has neither, as a
   * frozen one, names the device on which it was loaded or made.
   */
  get device(): Device {
    return scope(() => {
      const [first] = [...this.namedParameters().values(), ...this.namedBuffers().values()]
      return first?.device ?? this.#placed
    })
  }

  /** Extra files of the archive, as `sos.json`, by name. */
  get extraFiles(): Record<string, string> {
    return binding.moduleExtraFiles(this.#handle)
  }

  /** Whether the module is in train mode. False where it has no mode, as a frozen one. */
  get training(): boolean {
    return binding.moduleIsTraining(this.#handle)
  }

  /**
   * Switches it and its submodules to train mode, or back. A traced module has the mode of its tracing baked in: it warns,
   * once, with the code `SOS_TRACED_MODE` that its outputs and gradients stay those of that mode.
   *
   * @throws `ERR_FROZEN` for train mode, `ERR_BUSY` while calls of it are pending
   */
  train(mode = true): this {
    if (mode === this.training) return this
    this.#refuseWhilePending(mode ? 'train()' : 'eval()')
    const { kind } = this
    if (kind === 'frozen' && mode) throw this.#frozen('cannot be trained')
    if (kind === 'traced') this.#warnOfBakedMode()
    binding.moduleTrain(this.#handle, mode)
    return this
  }

  /** Switches to eval mode, as `train(false)`. */
  eval(): this {
    return this.train(false)
  }

  /**
   * Moves the weights, off the event loop. `dtype` is of floating-point and complex tensors, others keep theirs;
   * `memoryFormat` `channels_last` is of tensors with four dimensions. Those who hold a parameter go on holding it.
   *
   * @throws `ERR_BUSY` while calls of it are pending, `ERR_DEVICE`, `ERR_DTYPE`, `ERR_INVALID_ARGUMENT`
   */
  async to(placement: { device?: Device; dtype?: DType; memoryFormat?: MemoryFormat }): Promise<this> {
    const { device = '', dtype = '', memoryFormat = '' } = placement
    this.#refuseWhilePending('to()')
    await this.#track(() => binding.moduleTo(this.#handle, device, dtype, memoryFormat))
    if (device !== '' && this.kind !== 'frozen') this.#placed = device
    return this
  }

  /** A copy with weights of its own, and without hooks. */
  clone(): Promise<ScriptModule> {
    return this.#copy('clone', [])
  }

  /**
   * A copy for inference: weights are constants of its graph, batch norms are folded into convolutions. It has neither
   * parameters nor submodules, so it cannot be hooked, trained or shifted. `preserved` names methods and attributes to
   * keep besides `forward`.
   *
   * @throws `ERR_TRAINING` in train mode
   */
  freeze(options: { preserved?: readonly string[] } = {}): Promise<ScriptModule> {
    return this.#copy('freeze', options.preserved ?? [])
  }

  /**
   * As {@link freeze}, with what libtorch has for this machine's processor: fused kernels, blocked layouts. Its first calls
   * are slow. Convolutional networks gain from `to({ memoryFormat: 'channels_last' })` before. Not to be saved.
   */
  optimizeForInference(options: { preserved?: readonly string[] } = {}): Promise<ScriptModule> {
    return this.#copy('optimize', options.preserved ?? [])
  }

  /**
   * Calls `hook` with the output of each submodule at `path` after each call of it: a dotted path ('' is the root), or a
   * glob, as `layer4.*.conv?` (`**` goes across dots). It may be set and removed at any time, by a hook too; it holds for
   * the calls made from then on. Nothing of it reaches a saved file.
   *
   * A hook observes: the output is captured natively and told after the forward. Where the network overwrites it, as an
   * in-place ReLU after a batch norm, a copy is captured, through which no gradient flows. With `replace: true` the hook
   * is called in the middle of the forward, which waits, and goes on with what it returns; gradients flow through that.
   *
   * @throws `ERR_NO_SUCH_MODULE`, `ERR_FROZEN`
   */
  registerForwardHook(path: string, hook: ForwardHook, options?: ObserveOptions): HookHandle
  registerForwardHook(path: string, hook: ReplacingHook, options: ReplaceOptions): HookHandle
  registerForwardHook(
    path: string,
    hook: ForwardHook | ReplacingHook,
    options: ObserveOptions | ReplaceOptions = {},
  ): HookHandle {
    return this.#hooks.add(this.#expand(path), false, hook, options)
  }

  /** As {@link registerForwardHook}, with the inputs of the submodule, before each call of it. */
  registerForwardPreHook(path: string, hook: ForwardPreHook, options?: ObserveOptions): HookHandle
  registerForwardPreHook(path: string, hook: ReplacingPreHook, options: ReplaceOptions): HookHandle
  registerForwardPreHook(
    path: string,
    hook: ForwardPreHook | ReplacingPreHook,
    options: ObserveOptions | ReplaceOptions = {},
  ): HookHandle {
    return this.#hooks.add(this.#expand(path), true, hook, options)
  }

  /**
   * Writes the module as TorchScript, which `torch.jit.load` reads in Python, off the event loop. The file is written
   * beside and renamed: it is there whole, or as it was before. Extra files that it was loaded with are kept.
   *
   * @throws `ERR_OUTPUT` where the file cannot be written
   */
  async save(path: string, options: { extraFiles?: Record<string, string> } = {}): Promise<void> {
    const extraFiles = Object.entries(options.extraFiles ?? {})
    await writeAtomically(path, (file) =>
      this.#track(() => binding.saveModule(this.#handle, file, extraFiles)),
    )
  }

  override [inspect.custom](): string {
    return binding.isDisposed(this.#handle) ? 'ScriptModule (disposed)' : `ScriptModule ${this.type}`
  }

  async #copy(how: 'clone' | 'freeze' | 'optimize', preserved: readonly string[]): Promise<ScriptModule> {
    const handle = await this.#track(() => binding.moduleCopy(this.#handle, how, preserved))
    return new ScriptModule(handle, this.path, this.device)
  }

  async #track<T>(submit: () => Promise<T>): Promise<T> {
    this.#calls.pending++
    try {
      return await onLane(submit)
    } finally {
      this.#calls.pending--
    }
  }

  #refuseWhilePending(what: string): void {
    if (this.#calls.pending === 0) return
    throw new SosError(
      'ERR_BUSY',
      `${what} would change the module under ${this.#calls.pending} pending call(s): await them before`,
    )
  }

  #frozen(what: string): SosError {
    return new SosError(
      'ERR_FROZEN',
      `${this.path}: a frozen module ${what}; export the model again without torch.jit.freeze`,
    )
  }

  #warnOfBakedMode(): void {
    if (this.#warned) return
    this.#warned = true
    process.emitWarning(
      `${this.path} was traced in ${this.training ? 'train' : 'eval'} mode, which its graph has baked in: train() and eval() do not change what it computes; export it by torch.jit.script to train it`,
      { code: 'SOS_TRACED_MODE' },
    )
  }

  /** The paths of submodules that a path or glob means. */
  #expand(path: string): string[] {
    const paths = this.modules().map((module) => module.path)
    const matching = matchPaths(path, paths)
    if (matching.length > 0) return matching
    if (this.kind === 'frozen') throw this.#frozen('has no submodules left to hook')
    throw noSuchModule(path, paths)
  }
}

setWrappers(
  (handle) => new ScriptObject(handle),
  (handle) => new ScriptModule(handle, '<returned>'),
)

/** The error for a path that is none, with the nearest ones. */
export function noSuchModule(path: string, paths: readonly string[]): SosError {
  const near = nearest(path, paths)
  const hint = near.length > 0 ? `did you mean ${near.map((name) => `'${name}'`).join(', ')}?` : ''
  return new SosError(
    'ERR_NO_SUCH_MODULE',
    `expected the path of a submodule but there is no '${path}'; ${hint || '`sos inspect` lists them'}`,
  )
}
