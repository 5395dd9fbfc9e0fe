import { inspect } from 'node:util'
import {
  expectMap,
  expectObject,
  expectText,
  nearest,
  refuseArgument,
  SosError,
  writeAtomically,
} from '../../base/index.js'
import { currentContext, runIn } from '../context/context.js'
import type { HookHandle } from '../context/hook-handle.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ModuleHandle } from '../native/handles.js'
import { fromNative, setWrappers, type Value } from '../operators/values.js'
import { copyStateDict, type LoadResult } from '../serialization/copy-state.js'
import type { Device, DType, MemoryFormat } from '../tensor/dtype.js'
import { scope } from '../tensor/scope.js'
import { handlesOf, type Tensor } from '../tensor/tensor.js'
import {
  type ForwardHook,
  type ForwardPreHook,
  HookRegistry,
  matchPaths,
  type ObserveOptions,
  type ReplaceOptions,
  type ReplacingHook,
  type ReplacingPreHook,
} from './hooks.js'
import { loadModule } from './load-module.js'
import { ModuleTree } from './module-tree.js'
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

/** What {@link ScriptModule.notes} holds. @internal */
export interface ModuleNotes {
  /** Whether the warning `SOS_TRACED_MODE` was given. */
  bakedMode: boolean
  /** The warning that the module is random in eval mode, or null if it is not; undefined before anyone looked. */
  random?: string | null
}

/** A TorchScript module: what `torch.jit.script(model).save(FILE)` or `torch.jit.trace` leaves in Python. */
export class ScriptModule extends ModuleTree {
  readonly #handle: ModuleHandle
  readonly #hooks: HookRegistry
  /** What was found out about the module, shared with its views: each is looked for, or warned of, once. @internal */
  readonly notes: ModuleNotes
  /** Of a module without tensors of its own. */
  #placed: Device

  /**
   * Not for users: {@link ScriptModule.load}, methods and {@link submodule} make modules.
   *
   * @internal
   */
  constructor(
    handle: ModuleHandle,
    path: string,
    device: Device = 'cpu',
    of: ScriptModule | null = null,
    fixed = false,
  ) {
    super(handle, path)
    this.#hooks = new HookRegistry(of === null ? [] : of.#hooks.active(), fixed)
    this.notes = of === null ? { bakedMode: false } : of.notes
    this.#handle = handle
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
    expectObject('options', options)
    const device = options.device ?? 'cpu'
    const handle = await loadModule(source, device)
    return new ScriptModule(handle, typeof source === 'string' ? source : '<buffer>', device)
  }

  /**
   * Takes over a module that another thread of this process lends by {@link share}: the same weights, no copy.
   *
   * @throws `ERR_SHARED_GONE` where it was freed there before
   */
  static fromShared(shared: SharedModule): ScriptModule {
    expectObject('shared', shared)
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
   * hold until they are removed here; hooks that are set here later are not the view's.
   *
   * With `eval: true` it holds the module in eval mode until it is disposed of, and its own submodules and views that are still
   * there: for a task of several calls, whose result is to be of one model. Holds are counted for each submodule, over all threads, and the last gives back the mode in which it came. Until
   * then `train()`, `to()`, `loadStateDict()` and `setAttribute()` throw `ERR_BUSY`, and `eval()` where train mode will be given
   * back. So does a call that is not of such a view where the module came in train mode, and a call of the view where
   * a weight was written to meanwhile.
   *
   * @example
   * using view = model.view({ eval: true })
   * view.registerForwardPreHook('fc', ({ inputs: [x] }) => console.log((x as Tensor).shape))
   * await Promise.all([view.forward(images), view.forward(others)])
   * @throws `ERR_BUSY` where it is to hold a module in train mode of which calls are pending
   */
  view(options: { eval?: boolean } = {}): ScriptModule {
    expectObject('options', options)
    return this.#view(options.eval === true ? 'eval' : 'plain')
  }

  /** As {@link view} in eval mode, for a task that ends with {@link write}: it is not in the way of the write of another. @internal */
  viewToShift(): ScriptModule {
    return this.#view('shift')
  }

  /** A view in eval mode, without the hooks of this object. @internal */
  viewWithoutHooks(): ScriptModule {
    return new ScriptModule(binding.moduleView(this.#handle, 'eval'), this.path, this.#placed, null, true)
  }

  /** A view that counts as a pending call until it is disposed of. Throws `ERR_BUSY` where the module is held in eval mode. @internal */
  atWork(): ScriptModule {
    return this.#view('work')
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
    const [output, captures] = await onLane(() =>
      binding.callModule(this.#handle, method, modes, positional, keyword, taps, replace),
    )
    const hooks = deliver(captures)
    if (hooks !== undefined) await hooks
    return fromNative(output)
  }

  /** Whether hooks are set that its next call would run. */
  get hooked(): boolean {
    return !this.#hooks.isEmpty
  }

  /** The submodule at a dotted path, which shares the weights; its hooks are its own. Throws `ERR_NO_SUCH_MODULE`. */
  submodule(path: string): ScriptModule {
    expectText('path', path)
    this.#expand(path)
    return new ScriptModule(binding.moduleSubmodule(this.#handle, path), `${this.path}:${path}`, this.device)
  }

  /** The direct submodules by their names. */
  children(): Map<string, ScriptModule> {
    const names = this.modules().flatMap(({ path }) => (path !== '' && !path.includes('.') ? [path] : []))
    return new Map(names.map((name) => [name, this.submodule(name)]))
  }

  /**
   * Copies tensors, as `loadStateDict(FILE)` reads them, into the parameters and buffers of the same names, under no
   * gradient, converting dtype and device. All are checked before the first is written.
   *
   * @param options.strict default: true, as in PyTorch: names that do not match are an error, else they are returned
   * @throws `ERR_STATE_DICT_MISMATCH` for names (where strict) and shapes, `ERR_FROZEN`, `ERR_BUSY`
   */
  loadStateDict(stateDict: ReadonlyMap<string, Tensor>, options: { strict?: boolean } = {}): LoadResult {
    expectMap('stateDict', stateDict)
    expectObject('options', options)
    binding.moduleExpectIdle(this.#handle, 'loadStateDict()')
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

  /**
   * Switches it and its submodules to train mode, or back. A traced module has the mode of its tracing baked in: it warns,
   * once, with the code `SOS_TRACED_MODE` that its outputs and gradients stay those of that mode.
   *
   * @throws `ERR_FROZEN` for train mode, `ERR_BUSY` while calls of it are pending or a view holds it in eval mode
   */
  train(mode = true): this {
    const kind = mode === this.training ? null : this.kind
    if (kind === 'frozen' && mode) throw this.#frozen('cannot be trained')
    binding.moduleTrain(this.#handle, mode)
    if (kind === 'traced') this.#warnOfBakedMode(!mode)
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
   * @throws `ERR_BUSY` while calls of it are pending or a view holds it in eval mode, `ERR_DEVICE`, `ERR_DTYPE`, `ERR_INVALID_ARGUMENT`
   */
  async to(placement: { device?: Device; dtype?: DType; memoryFormat?: MemoryFormat }): Promise<this> {
    expectObject('placement', placement)
    const { device = '', dtype = '', memoryFormat = '' } = placement
    await onLane(() => binding.moduleTo(this.#handle, device, dtype, memoryFormat))
    if (device !== '' && this.kind !== 'frozen') this.#placed = device
    return this
  }

  /** The modes of the submodules, for {@link giveBack}. @internal */
  modes(): readonly boolean[] {
    return binding.moduleModes(this.#handle)
  }

  /** Gives the submodules these modes again, after the calls that are pending. @internal */
  async giveBack(modes: readonly boolean[]): Promise<void> {
    await runIn({ signal: null }, () => onLane(() => binding.moduleGiveBack(this.#handle, modes)))
  }

  /**
   * Copies tensors into weights, between two calls of any thread; of a view that holds the module in eval mode.
   *
   * @param options.forced takes back what was written before, whoever else holds the module
   * @throws `ERR_BUSY` where the weights are not those with which the hold began, or another task that does not write holds the module: nothing is written
   * @internal
   */
  async write(
    weights: readonly Tensor[],
    values: readonly Tensor[],
    options: { forced?: boolean } = {},
  ): Promise<void> {
    const [to, from] = [handlesOf('weights', weights), handlesOf('values', values)]
    await onLane(() => binding.moduleWrite(this.#handle, to, from, options.forced ?? false))
  }

  /** A copy with weights of its own, and without hooks, in the mode that the module has when no view holds it; of such a view, in eval mode. */
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
    expectObject('options', options)
    return this.#copy('freeze', options.preserved ?? [])
  }

  /**
   * As {@link freeze}, with what libtorch has for this machine's processor: fused kernels, blocked layouts. Its first calls
   * are slow. Convolutional networks gain from `to({ memoryFormat: 'channels_last' })` before. Not to be saved.
   */
  optimizeForInference(options: { preserved?: readonly string[] } = {}): Promise<ScriptModule> {
    expectObject('options', options)
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
   * A module that could compute a hooked submodule by a fused operator, as `nn.TransformerEncoderLayer` without gradients,
   * calls it instead, as in PyTorch. A hook that cannot hear what it is set on rejects the forward: with `ERR_NOT_CALLED` where
   * no method of the module calls the submodule of that path (of a glob, those that are called are heard), with `ERR_HOOK_BYPASSED`
   * where a trace has it in a fused operator, or the code chooses while it runs which module it calls.
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
    return this.#hooks.add(path, this.#expand(path), false, hook, options)
  }

  /** As {@link registerForwardHook}, with the inputs of the submodule, before each call of it. */
  registerForwardPreHook(path: string, hook: ForwardPreHook, options?: ObserveOptions): HookHandle
  registerForwardPreHook(path: string, hook: ReplacingPreHook, options: ReplaceOptions): HookHandle
  registerForwardPreHook(
    path: string,
    hook: ForwardPreHook | ReplacingPreHook,
    options: ObserveOptions | ReplaceOptions = {},
  ): HookHandle {
    return this.#hooks.add(path, this.#expand(path), true, hook, options)
  }

  /**
   * Writes the module as TorchScript, which `torch.jit.load` reads in Python, off the event loop. The file is written
   * beside and renamed: it is there whole, or as it was before. Extra files that it was loaded with are kept.
   *
   * @throws `ERR_OUTPUT` where the file cannot be written
   */
  async save(path: string, options: { extraFiles?: Record<string, string> } = {}): Promise<void> {
    expectText('path', path)
    expectObject('options', options)
    const extraFiles = Object.entries(options.extraFiles ?? {})
    await writeAtomically(path, (file) => onLane(() => binding.saveModule(this.#handle, file, extraFiles)))
  }

  override [inspect.custom](): string {
    return binding.isDisposed(this.#handle) ? 'ScriptModule (disposed)' : `ScriptModule ${this.type}`
  }

  async #copy(how: 'clone' | 'freeze' | 'optimize', preserved: readonly string[]): Promise<ScriptModule> {
    const handle = await onLane(() => binding.moduleCopy(this.#handle, how, preserved))
    return new ScriptModule(handle, this.path, this.device)
  }

  #view(kind: Parameters<typeof binding.moduleView>[1]): ScriptModule {
    const holds = kind === 'eval' || kind === 'shift'
    const baked = holds && this.training && this.kind === 'traced'
    const view = new ScriptModule(
      binding.moduleView(this.#handle, kind),
      this.path,
      this.#placed,
      this,
      holds,
    )
    if (baked) this.#warnOfBakedMode(true)
    return view
  }

  #frozen(what: string): SosError {
    return new SosError(
      'ERR_FROZEN',
      `${this.path}: a frozen module ${what}; export the model again without torch.jit.freeze`,
    )
  }

  #warnOfBakedMode(training: boolean): void {
    if (this.notes.bakedMode) return
    this.notes.bakedMode = true
    process.emitWarning(
      `${this.path} was traced in ${training ? 'train' : 'eval'} mode, which its graph has baked in: train() and eval() do not change what it computes; export it by torch.jit.script to train it`,
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
    `expected the path of a submodule but there is no '${String(path)}'; ${hint || '`sos inspect` lists them'}`,
  )
}

/** @throws `ERR_INVALID_ARGUMENT` where a value is no module */
export function expectModule(name: string, value: unknown): asserts value is ScriptModule {
  if (!(value instanceof ScriptModule)) refuseArgument('a ScriptModule', name, value)
}
