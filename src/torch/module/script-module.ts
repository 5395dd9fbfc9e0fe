import { inspect } from 'node:util'
import { expectObject, expectText, refuseArgument, writeAtomically } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ModuleHandle } from '../native/handles.js'
import { setWrappers } from '../operators/values.js'
import type { Device } from '../tensor/dtype.js'
import { loadModule } from './load-module.js'
import { ScriptObject } from './script-object.js'
import { StatefulModule } from './stateful-module.js'

/** What {@link ScriptModule.share} returns: a message that gives a worker thread access to a module of this process. */
export interface SharedModule {
  /** The number that identifies the module in this process. */
  readonly sharedModule: number
  /** The `path` of the module. */
  readonly path: string
  /** The `device` of the module. */
  readonly device: Device
}

/**
 * A TorchScript module: what `torch.jit.script(model).save(FILE)` or `torch.jit.trace(…).save(FILE)` writes in Python.
 *
 * @example
 * const network = await ScriptModule.load('assets/fashion-resnet.pt')
 * console.log(network.kind, network.parameters().length > 0)
 * // → scripted true
 */
export class ScriptModule extends StatefulModule {
  readonly #handle: ModuleHandle

  /**
   * Not for users: {@link ScriptModule.load}, methods and {@link submodule} make modules.
   *
   * @internal
   */
  constructor(
    handle: ModuleHandle,
    path: string,
    device?: Device,
    viewed: ScriptModule | null = null,
    holdsHooks = false,
  ) {
    super(handle, path, device, viewed, holdsHooks)
    this.#handle = handle
  }

  /**
   * Loads a TorchScript archive, off the event loop.
   *
   * TorchScript is a program: load only files from people whose scripts you would run on your machine.
   *
   * @param source the path of a file, or its bytes, which are copied
   * @param options.device where the weights are put, whichever device they were saved from. Default: `cpu`.
   * @returns the module, in the mode (train or eval) in which it was saved
   * @throws `ERR_FILE_NOT_FOUND`; `ERR_NOT_TORCHSCRIPT` for another kind of file, `ERR_LEGACY_TORCHSCRIPT` for one from before PyTorch 1.0,
   *   `ERR_STATE_DICT` for weights without a model; `ERR_DEVICE` for a device that does not exist; `ERR_INVALID_ARGUMENT`
   * @example
   * const network = (await ScriptModule.load('assets/fashion-resnet.pt', { device: 'cpu' })).eval()
   */
  static async load(source: string | Uint8Array, options: { device?: Device } = {}): Promise<ScriptModule> {
    expectObject('options', options)
    const device = options.device ?? 'cpu'
    const handle = await loadModule(source, device)
    return new ScriptModule(handle, typeof source === 'string' ? source : '<buffer>', device)
  }

  /**
   * Opens a module that another thread of this process shares. It uses the same weights, without a copy.
   *
   * @param shared what {@link share} returned there
   * @returns the module, with hooks of its own
   * @throws `ERR_SHARED_GONE` when the module was freed in the other thread before
   * @example
   * console.log(ScriptModule.fromShared(model.share()).type === model.type)
   * // → true
   */
  static fromShared(shared: SharedModule): ScriptModule {
    expectObject('shared', shared)
    return new ScriptModule(binding.adoptModule(shared.sharedModule), shared.path, shared.device)
  }

  /**
   * Shares the module with worker threads: post the result to a worker, which calls {@link fromShared}. Keep this module until the worker
   * has opened it.
   *
   * Forwards in eval mode run side by side; a forward in train mode runs alone. Each thread has its own hooks.
   *
   * From then on the weights keep their memory, since any thread may be reading it. `to()` of the module and `set_()` of a weight throw
   * `ERR_BUSY`, and `resize_()` throws `ERR_TORCH`. `copy_()` and `loadStateDict()` write into that memory as before.
   *
   * @returns a plain object that can be posted
   * @throws `ERR_INVALID_ARGUMENT` when a weight uses the memory of a JavaScript array (`torch.fromBuffer`), which ends with its thread
   * @example
   * import { Worker } from 'node:worker_threads'
   * const worker = new Worker('', { eval: true, workerData: model.share() })
   */
  share(): SharedModule {
    return { sharedModule: binding.shareModule(this.#handle), path: this.path, device: this.device }
  }

  /**
   * The same module once more, with hooks of its own. Hooks that are set on a view see only the calls of that view, so that several tasks
   * can use one module without seeing each other's calls. A view begins with the hooks that this object has now; they hold until they are
   * removed here. The view does not get hooks that are set here later.
   *
   * With `eval: true` the view holds the module, with its submodules, in eval mode until the view is disposed of. This is for tasks of
   * several calls whose results must come from one and the same model. Holds are counted for each submodule, over all threads, and the
   * last one restores the mode from before. Until then
   * - `train()`, `to()`, `loadStateDict()` and `setAttribute()` throw `ERR_BUSY`, and so does `eval()` if train mode will be restored;
   * - a call that does not come from such a view throws `ERR_BUSY` if the module was in train mode before;
   * - a call of the view throws `ERR_BUSY` if a weight was written to since the view was made.
   *
   * @param options.eval whether the view holds the module in eval mode. Default: false.
   * @returns a view, which lasts until `dispose()` or the end of a `using`
   * @throws `ERR_BUSY` when `eval` is true, the module is in train mode and calls of it are pending
   * @example
   * using view = model.view({ eval: true })
   * view.registerForwardPreHook('fc', ({ inputs: [features] }) => console.log((features as Tensor).shape))
   * await view.forward(images)
   * // → [ 8, 256 ]
   */
  view(options: { eval?: boolean } = {}): ScriptModule {
    expectObject('options', options)
    return this.#view(options.eval === true ? 'eval' : 'plain')
  }

  /** A {@link view} in eval mode for a task that ends with {@link write}. It does not prevent the write of another such task. @internal */
  viewToShift(): ScriptModule {
    return this.#view('shift')
  }

  /** A {@link view} in eval mode, without the hooks of this object. @internal */
  viewWithoutHooks(): ScriptModule {
    return new ScriptModule(binding.moduleView(this.#handle, 'eval'), this.path, this.placed, null, true)
  }

  /** A view that counts as a pending call until it is disposed of. Throws `ERR_BUSY` while the module is held in eval mode. @internal */
  atWork(): ScriptModule {
    return this.#view('work')
  }

  /**
   * A submodule. It shares the weights and has hooks of its own.
   *
   * @param path its dotted path, as {@link modules} lists it
   * @returns the submodule
   * @throws `ERR_NO_SUCH_MODULE` when there is none at that path, `ERR_FROZEN` for a frozen module
   * @example
   * console.log(model.submodule('layer1.bn1').type)
   * // → torch.nn.modules.batchnorm.BatchNorm2d
   */
  submodule(path: string): ScriptModule {
    expectText('path', path)
    this.matchingPaths(path)
    return new ScriptModule(binding.moduleSubmodule(this.#handle, path), `${this.path}:${path}`, this.device)
  }

  /**
   * The direct submodules.
   *
   * @returns them by their names, in the order of their registration
   */
  children(): Map<string, ScriptModule> {
    const names = this.modules().flatMap(({ path }) => (path !== '' && !path.includes('.') ? [path] : []))
    return new Map(names.map((name) => [name, this.submodule(name)]))
  }

  /**
   * Copies the module, off the event loop. The copy has its own weights and no hooks.
   *
   * @returns a copy in the mode that the module has when no view holds it; the copy of a view that holds it is in eval mode
   */
  clone(): Promise<ScriptModule> {
    return this.#copy('clone', [])
  }

  /**
   * Makes a copy for inference, off the event loop: its weights are constants of its graph, and batch norms are folded into convolutions.
   * The copy has neither parameters nor submodules, so that it cannot be hooked, trained or shifted.
   *
   * @param options.preserved names of methods and attributes to keep beside `forward`. Default: none.
   * @returns the frozen copy
   * @throws `ERR_TRAINING` in train mode
   * @example
   * console.log((await model.freeze()).kind)
   * // → frozen
   */
  freeze(options: { preserved?: readonly string[] } = {}): Promise<ScriptModule> {
    expectObject('options', options)
    return this.#copy('freeze', options.preserved ?? [])
  }

  /**
   * Makes a copy as {@link freeze} does, and applies what libtorch has for this machine's processor: fused kernels and blocked memory
   * layouts. The first calls of the copy are slow. Convolutional networks gain from `to({ memoryFormat: 'channels_last' })` before. Do not
   * save the copy: the file could not be loaded.
   *
   * @param options.preserved as in {@link freeze}
   * @returns the optimised copy
   * @throws `ERR_TRAINING` in train mode
   */
  optimizeForInference(options: { preserved?: readonly string[] } = {}): Promise<ScriptModule> {
    expectObject('options', options)
    return this.#copy('optimize', options.preserved ?? [])
  }

  /**
   * Writes the module as TorchScript, off the event loop; `torch.jit.load` reads the file in Python. The file appears complete, or what
   * was there before stays. Extra files that the module was loaded with are kept.
   *
   * @param path the file to write
   * @param options.extraFiles texts to store in the archive, by name. Default: none.
   * @throws `ERR_OUTPUT` when the file cannot be written
   * @example
   * await model.save('out/example.pt', { extraFiles: { 'notes.txt': 'an example' } })
   * console.log((await ScriptModule.load('out/example.pt')).extraFiles['notes.txt'])
   * // → an example
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
    const changesTracedMode = holds && this.training && this.kind === 'traced'
    const handle = binding.moduleView(this.#handle, kind)
    const view = new ScriptModule(handle, this.path, undefined, this, holds)
    if (changesTracedMode) this.warnOfTracedMode(true)
    return view
  }
}

setWrappers(
  (handle) => new ScriptObject(handle),
  (handle) => new ScriptModule(handle, '<returned>'),
)

/** Throws `ERR_INVALID_ARGUMENT` unless the value is a module. */
export function expectModule(name: string, value: unknown): asserts value is ScriptModule {
  if (!(value instanceof ScriptModule)) refuseArgument('a ScriptModule', name, value)
}
