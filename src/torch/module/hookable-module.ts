import { currentContext } from '../context/context.js'
import type { HookHandle } from '../context/hook-handle.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ModuleHandle } from '../native/handles.js'
import { fromNative, type Value } from '../operators/values.js'
import type { Tensor } from '../tensor/tensor.js'
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
import { frozenModule, noSuchModule } from './module-errors.js'
import { ModuleTree } from './module-tree.js'
import { splitArguments } from './script-object.js'

/** A TorchScript module that can be called, with hooks on its submodules. {@link ScriptModule} is the class to use. */
export class HookableModule extends ModuleTree {
  readonly #handle: ModuleHandle
  readonly #hooks: HookRegistry

  /** @internal */
  constructor(handle: ModuleHandle, path: string, hooks = new HookRegistry()) {
    super(handle, path)
    this.#handle = handle
    this.#hooks = hooks
  }

  /**
   * Calls `forward`, off the event loop.
   *
   * Calls run one after another, in the order in which they were made. Each uses the weights and the mode (train or eval) that the module
   * has at the moment when the call runs.
   *
   * @param inputs arguments as in {@link call}
   * @returns the output, converted as in {@link call}
   * @throws as {@link call}, and `ERR_BUSY` while a view holds the module in eval mode and the module was in train mode before
   * @example
   * const logits = await model.forward(images)
   * console.log(logits.shape)
   * // → [ 8, 10 ]
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

  /** Whether the next call would run any hooks. */
  get hooked(): boolean {
    return !this.#hooks.isEmpty
  }

  /**
   * Calls `hook` with the output of a submodule after each call of that submodule.
   *
   * By default a hook observes. The output is captured natively during the forward, and the hook receives it after the forward. If the
   * network overwrites the output later, as an in-place ReLU after a batch norm does, a copy is captured, and no gradient flows through
   * the copy. With `{ replace: true }` the hook runs in the middle of the forward, which waits for it and continues with the value that
   * the hook returns. Gradients flow through that value.
   *
   * A hook can be set and removed at any time, also by another hook. It holds for the calls that are made afterwards. It never becomes
   * part of a saved file.
   *
   * Some modules can compute their submodules by one fused operator, as `nn.TransformerEncoderLayer` does without gradients. If one of
   * these submodules is hooked, the module calls it instead, as in PyTorch. When a hook cannot receive any call, the forward is rejected.
   * The code is `ERR_NOT_CALLED` if no method of the module calls the submodule at that path (a glob receives those that are called). It
   * is `ERR_HOOK_BYPASSED` if a trace contains the submodule in a fused operator, or if the code chooses at run time which module it
   * calls.
   *
   * @param path the dotted path of the submodule ('' is the root) or a glob, for example `layer4.*.conv?`: `*` and `?` match within a
   *   name, `**` also matches across dots
   * @param hook the function to call with `{ path, output }`
   * @param options whether the hook replaces, which method is hooked, and what is done with the captured tensors
   * @returns a handle that removes the hook
   * @throws `ERR_NO_SUCH_MODULE` when no submodule matches, `ERR_FROZEN` for a frozen module, `ERR_INVALID_ARGUMENT` when `hook` is not a
   *   function
   * @example
   * using hook = model.registerForwardHook('layer4', ({ output }) => console.log((output as Tensor).shape))
   * await model.forward(images)
   * // → [ 8, 256, 2, 2 ]
   */
  registerForwardHook(path: string, hook: ForwardHook, options?: ObserveOptions): HookHandle
  registerForwardHook(path: string, hook: ReplacingHook, options: ReplaceOptions): HookHandle
  registerForwardHook(
    path: string,
    hook: ForwardHook | ReplacingHook,
    options: ObserveOptions | ReplaceOptions = {},
  ): HookHandle {
    return this.#hooks.add(path, this.matchingPaths(path), false, hook, options)
  }

  /**
   * Calls `hook` with the inputs of a submodule before each call of that submodule. All else is as in {@link registerForwardHook}.
   *
   * @param path as in {@link registerForwardHook}
   * @param hook the function to call with `{ path, inputs }`
   * @param options as in {@link registerForwardHook}
   * @returns a handle that removes the hook
   * @throws as {@link registerForwardHook}
   * @example
   * using hook = model.registerForwardPreHook('fc', ({ inputs: [features] }) => [(features as Tensor).relu()], { replace: true })
   * console.log((await model.forward(images)).shape)
   * // → [ 8, 10 ]
   */
  registerForwardPreHook(path: string, hook: ForwardPreHook, options?: ObserveOptions): HookHandle
  registerForwardPreHook(path: string, hook: ReplacingPreHook, options: ReplaceOptions): HookHandle
  registerForwardPreHook(
    path: string,
    hook: ForwardPreHook | ReplacingPreHook,
    options: ObserveOptions | ReplaceOptions = {},
  ): HookHandle {
    return this.#hooks.add(path, this.matchingPaths(path), true, hook, options)
  }

  /** The hooks with which a view of this module begins. @internal */
  protected copyHooks(fixed: boolean): HookRegistry {
    return new HookRegistry(this.#hooks.active(), fixed)
  }

  /** The paths of the submodules that a path or a glob matches. @internal */
  protected matchingPaths(path: string): string[] {
    const paths = this.modules().map((module) => module.path)
    const matching = matchPaths(path, paths)
    if (matching.length > 0) return matching
    if (this.kind === 'frozen') throw frozenModule(this.path, 'has no submodules')
    throw noSuchModule(path, paths)
  }
}
