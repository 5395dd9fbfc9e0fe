import { binding } from '../native/binding.js'
import type { ModuleHandle } from '../native/handles.js'
import type { DataFlow, ModuleKind, ModuleNode, OperatorCall } from '../native/module-description.js'
import { collectState } from '../serialization/copy-state.js'
import { Tensor } from '../tensor/tensor.js'
import { ScriptObject } from './script-object.js'

/** What a TorchScript module is made of: submodules, weights, the calls in its graphs. */
export class ModuleTree extends ScriptObject {
  readonly #handle: ModuleHandle

  /** The file it was loaded from; `<buffer>` where that was bytes; with the submodule's path where it is a part. */
  readonly path: string

  /** @internal */
  constructor(handle: ModuleHandle, path: string) {
    super(handle)
    this.#handle = handle
    this.path = path
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

  /** Extra files of the archive, as `sos.json`, by name. */
  get extraFiles(): Record<string, string> {
    return binding.moduleExtraFiles(this.#handle)
  }

  /** Whether the module is in train mode. False where it has no mode, as a frozen one. */
  get training(): boolean {
    return binding.moduleIsTraining(this.#handle)
  }
}
