import { expectMap, expectObject } from '../../base/index.js'
import { runIn } from '../context/context.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ModuleHandle } from '../native/handles.js'
import { copyStateDict, type LoadResult } from '../serialization/copy-state.js'
import type { Device, DType, MemoryFormat } from '../tensor/dtype.js'
import { scope } from '../tensor/scope.js'
import { handlesOf, type Tensor } from '../tensor/tensor.js'
import { HookableModule } from './hookable-module.js'
import { frozenModule } from './module-errors.js'
import { type ModuleNotes, warnOfTracedMode } from './module-notes.js'

/** A TorchScript module whose mode, device and weights can be changed. {@link ScriptModule} is the class to use. */
export class StatefulModule extends HookableModule {
  readonly #handle: ModuleHandle
  /** What was found out about the module. Its views share this, so that nothing is looked for, or warned of, twice. @internal */
  readonly notes: ModuleNotes
  /** The device of a module that has no tensors. */
  #placed: Device

  /** @internal */
  constructor(
    handle: ModuleHandle,
    path: string,
    device?: Device,
    viewed: StatefulModule | null = null,
    holdsHooks = false,
  ) {
    super(handle, path, viewed?.copyHooks(holdsHooks))
    this.#handle = handle
    this.notes = viewed === null ? { tracedMode: false } : viewed.notes
    this.#placed = device ?? (viewed === null ? 'cpu' : viewed.#placed)
  }

  /**
   * The device of the weights, for example `cpu` or `cuda:0`: that of the first parameter, or else of the first buffer. For a module without
   * either, such as a frozen one, the device on which it was loaded or made.
   */
  get device(): Device {
    return scope(() => {
      const [first] = [...this.namedParameters().values(), ...this.namedBuffers().values()]
      return first?.device ?? this.#placed
    })
  }

  /**
   * Puts the module and its submodules into train mode, or into eval mode. A traced module always computes in the mode of its tracing: the
   * first change of its mode gives a warning with the code `SOS_TRACED_MODE`.
   *
   * @param mode true for train mode, false for eval mode. Default: true.
   * @returns the module itself
   * @throws `ERR_FROZEN` for train mode of a frozen module; `ERR_BUSY` while calls are pending or a view holds the module in eval mode
   */
  train(mode = true): this {
    const kind = mode === this.training ? null : this.kind
    if (kind === 'frozen' && mode) throw frozenModule(this.path, 'cannot be trained')
    binding.moduleTrain(this.#handle, mode)
    if (kind === 'traced') this.warnOfTracedMode(!mode)
    return this
  }

  /**
   * Puts the module and its submodules into eval mode, as `train(false)` does.
   *
   * @returns the module itself
   * @throws as {@link train}
   */
  eval(): this {
    return this.train(false)
  }

  /**
   * Moves and converts the weights in place, off the event loop. Parameters that you hold stay the parameters of the module.
   *
   * @param placement.device where to move them. Default: they stay.
   * @param placement.dtype what to convert floating-point and complex tensors to; others keep their dtype. Default: no conversion.
   * @param placement.memoryFormat the order in memory, for example `channels_last` for tensors with four dimensions. Default: unchanged.
   * @returns the module itself
   * @throws `ERR_BUSY` while calls are pending, while a view holds the module in eval mode, or after `share()`; `ERR_DEVICE`,
   *   `ERR_DTYPE`, `ERR_INVALID_ARGUMENT`
   * @example
   * const copy = await model.clone()
   * await copy.to({ dtype: 'float64', memoryFormat: 'channels_last' })
   * console.log(copy.parameters()[0]?.dtype)
   * // → float64
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

  /** Restores the modes of the submodules after the calls that are pending. @internal */
  async giveBack(modes: readonly boolean[]): Promise<void> {
    await runIn({ signal: null }, () => onLane(() => binding.moduleGiveBack(this.#handle, modes)))
  }

  /**
   * Copies tensors into weights, between two calls of any thread. Only for a view that holds the module in eval mode.
   *
   * @param options.forced restores what was written before, whoever else holds the module
   * @throws `ERR_BUSY` when the weights have changed since the hold began, or when another task that does not write holds the module;
   *   nothing is written then
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

  /**
   * Copies tensors, for example those that `loadStateDict(FILE)` reads, into the parameters and buffers of the same names. Dtype and device
   * are converted, and nothing is recorded for gradients. All names and shapes are checked before the first tensor is written.
   *
   * @param stateDict tensors by the names of parameters and buffers
   * @param options.strict whether names that do not match are an error. Default: true, as in PyTorch. With false they are returned.
   * @returns the names that did not match
   * @throws `ERR_STATE_DICT_MISMATCH` for wrong shapes and, if strict, for names that do not match; `ERR_DTYPE` for complex values of a
   *   real weight; `ERR_FROZEN` for a frozen module; `ERR_BUSY` while calls are pending or a view holds the module in eval mode
   * @example
   * console.log(model.loadStateDict(model.stateDict()))
   * // → { missingKeys: [], unexpectedKeys: [] }
   */
  loadStateDict(stateDict: ReadonlyMap<string, Tensor>, options: { strict?: boolean } = {}): LoadResult {
    expectMap('stateDict', stateDict)
    expectObject('options', options)
    binding.moduleExpectIdle(this.#handle, 'loadStateDict()')
    if (this.kind === 'frozen') throw frozenModule(this.path, 'has its weights in its code')
    return copyStateDict(this.stateDict(), stateDict, options.strict ?? true, this.modules()[0]!.type)
  }

  /** The device of a module that has no tensors. @internal */
  protected get placed(): Device {
    return this.#placed
  }

  /** Warns, once, that the graph of a traced module keeps the mode of its tracing. @internal */
  protected warnOfTracedMode(training: boolean): void {
    warnOfTracedMode(this.notes, this.path, training)
  }
}
