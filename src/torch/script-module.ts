import { resolve } from 'node:path'

import { writeAtomically } from './atomic-file.js'
import { binding, type ModuleHandle, type ModuleKind, type ModuleNode } from './binding.js'
import { currentContext } from './context.js'
import type { Device } from './dtype.js'
import { nearest, SosError, withCallerStack } from './errors.js'
import { type ForwardHook, type ForwardPreHook, type HookHandle, HookRegistry } from './hooks.js'
import { bytesTensor } from './serialization/byte-source.js'
import { collectState, copyStateDict, type LoadResult } from './serialization/copy-state.js'
import { Tensor } from './tensor.js'
import { fromNative, isOptions, toNative, toNativeRecord, type Value } from './values.js'

/** A TorchScript module: what `torch.jit.script(model).save(FILE)` or `torch.jit.trace` leaves in Python. */
export class ScriptModule {
  readonly #handle: ModuleHandle
  readonly #hooks = new HookRegistry()
  #pending = 0

  /** The file it was loaded from; `<buffer>` where that was bytes. */
  readonly path: string

  private constructor(handle: ModuleHandle, path: string) {
    this.#handle = handle
    this.path = path
  }

  /**
   * Loads a TorchScript archive, a file or its bytes (which are copied), off the event loop.
   *
   * TorchScript is a program: run files only of those whom you would let run a script on your machine.
   *
   * @throws `ERR_FILE_NOT_FOUND`, `ERR_NOT_TORCHSCRIPT`, `ERR_LEGACY_TORCHSCRIPT`, `ERR_STATE_DICT`, `ERR_DEVICE`
   */
  static async load(source: string | Uint8Array, options: { device?: Device } = {}): Promise<ScriptModule> {
    const device = options.device ?? 'cpu'
    if (typeof source === 'string') {
      const handle = await withCallerStack(binding.loadModule(resolve(source), device))
      return new ScriptModule(handle, source)
    }
    const bytes = bytesTensor(source)
    try {
      return new ScriptModule(await withCallerStack(binding.loadModule(bytes, device)), '<buffer>')
    } finally {
      binding.dispose(bytes)
    }
  }

  /**
   * Calls `forward`, off the event loop, on the weights and in the mode of the moment at which it runs: calls run one
   * after another, in the order in which they were made. Inputs are converted as the method's schema asks; a plain
   * object at the end holds keyword arguments.
   */
  async forward<T extends Value = Tensor>(...inputs: unknown[]): Promise<T> {
    return (await this.call('forward', ...inputs)) as T
  }

  /** Calls any method of the module, as {@link forward}. */
  async call(method: string, ...inputs: unknown[]): Promise<Value> {
    const last = inputs[inputs.length - 1]
    const keyword = isOptions(last) ? toNativeRecord(last) : undefined
    const positional = keyword === undefined ? inputs : inputs.slice(0, -1)
    const { taps, deliver } = this.#hooks.snapshot()
    const [output, captures] = await this.#track(
      binding.callModule(
        this.#handle,
        method,
        currentContext().modes,
        positional.map(toNative),
        keyword,
        taps,
      ),
    )
    deliver(captures)
    return fromNative(output)
  }

  /** How it was made. A frozen module has neither parameters nor submodules left. */
  get kind(): ModuleKind {
    return binding.moduleKind(this.#handle)
  }

  /** All modules, the root first, in the order of their registration. */
  modules(): ModuleNode[] {
    return binding.moduleTree(this.#handle)
  }

  /** Paths of the submodules that `method` calls, in the order of the calls in its graph. */
  calledSubmodules(method = 'forward'): string[] {
    return binding.moduleCalledSubmodules(this.#handle, method)
  }

  /** The parameters by their dotted names. They are the module's own memory: writing to them changes the module. */
  namedParameters(): Map<string, Tensor> {
    return new Map(binding.moduleParameters(this.#handle).map(([name, handle]) => [name, new Tensor(handle)]))
  }

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
    if (this.kind === 'frozen') {
      throw new SosError(
        'ERR_FROZEN',
        `${this.path}: a frozen module has its weights baked in; export it without torch.jit.freeze`,
      )
    }
    return copyStateDict(this.stateDict(), stateDict, options.strict ?? true, this.modules()[0]!.type)
  }

  /** Extra files of the archive, as `sos.json`, by name. */
  get extraFiles(): Record<string, string> {
    return binding.moduleExtraFiles(this.#handle)
  }

  get training(): boolean {
    return binding.moduleIsTraining(this.#handle)
  }

  /** Switches to train mode, or back. A traced module has its mode baked in and is not changed by this. */
  train(mode = true): this {
    if (mode !== this.training) {
      this.#refuseWhilePending(mode ? 'train()' : 'eval()')
      binding.moduleTrain(this.#handle, mode)
    }
    return this
  }

  eval(): this {
    return this.train(false)
  }

  /**
   * Calls `hook` with the output of the submodule at `path` ('' is the root) after each call of it. It may be set and
   * removed at any time; it holds for the calls made from then on. Nothing of it reaches a saved file.
   *
   * @throws `ERR_NO_SUCH_MODULE`, `ERR_FROZEN`
   */
  registerForwardHook(path: string, hook: ForwardHook): HookHandle {
    this.#checkPath(path)
    return this.#hooks.add(path, false, hook)
  }

  /** As {@link registerForwardHook}, with the inputs of the submodule. */
  registerForwardPreHook(path: string, hook: ForwardPreHook): HookHandle {
    this.#checkPath(path)
    return this.#hooks.add(path, true, hook)
  }

  /**
   * Writes the module as TorchScript, which `torch.jit.load` reads in Python, off the event loop. The file is written
   * beside and renamed: it is there whole, or as it was before. Extra files that it was loaded with are kept.
   *
   * @throws `ERR_OUTPUT` where the file cannot be written
   */
  async save(path: string, options: { extraFiles?: Record<string, string> } = {}): Promise<void> {
    // The archive carries its own file name within: it is written under its final one.
    const extraFiles = Object.entries(options.extraFiles ?? {})
    await writeAtomically(path, (file) => this.#track(binding.saveModule(this.#handle, file, extraFiles)))
  }

  /** Frees the module once its pending calls are done. Using it afterwards throws `ERR_DISPOSED`. */
  dispose(): void {
    binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#pending++
    try {
      return await withCallerStack(work)
    } finally {
      this.#pending--
    }
  }

  #refuseWhilePending(what: string): void {
    if (this.#pending === 0) return
    throw new SosError(
      'ERR_BUSY',
      `${what} would change the module under ${this.#pending} pending call(s): await them before`,
    )
  }

  #checkPath(path: string): void {
    const paths = this.modules().map((module) => module.path)
    if (paths.includes(path)) return
    if (this.kind === 'frozen') {
      throw new SosError(
        'ERR_FROZEN',
        `${this.path}: a frozen module has no submodules left to hook; export the model again without torch.jit.freeze`,
      )
    }
    throw noSuchModule(path, paths)
  }
}

/** The error for a path that is none, with the nearest ones. */
export function noSuchModule(path: string, paths: readonly string[]): SosError {
  const near = nearest(path, paths)
  const hint = near.length > 0 ? `did you mean ${near.map((name) => `'${name}'`).join(', ')}?` : ''
  return new SosError(
    'ERR_NO_SUCH_MODULE',
    `expected the path of a submodule but there is no '${path}'; ${hint || '`sos inspect` lists them'}`,
  )
}
