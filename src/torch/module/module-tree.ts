import { binding } from '../native/binding.js'
import type { ModuleHandle } from '../native/handles.js'
import type {
  DataFlow,
  GraphBlock,
  ModuleKind,
  ModuleNode,
  OperatorCall,
} from '../native/module-description.js'
import { collectState } from '../serialization/copy-state.js'
import { eachOnce } from '../tensor/identity.js'
import { Tensor } from '../tensor/tensor.js'
import { ScriptObject } from './script-object.js'

/** The parts of a TorchScript module: its submodules, its weights and the calls in its graphs. {@link ScriptModule} is the class to use. */
export class ModuleTree extends ScriptObject {
  readonly #handle: ModuleHandle

  /**
   * The file that the module was loaded from; `<buffer>` if it was loaded from bytes. For a submodule, its own path follows, as in
   * `model.pt:layer1`.
   */
  readonly path: string

  /** @internal */
  constructor(handle: ModuleHandle, path: string) {
    super(handle)
    this.#handle = handle
    this.path = path
  }

  /** How the module was made. A frozen module has neither parameters nor submodules. */
  get kind(): ModuleKind {
    return binding.moduleKind(this.#handle)
  }

  /**
   * Lists all modules of the tree.
   *
   * @returns the root first, then the submodules in the order of their registration
   * @example
   * console.log(model.modules().map(({ path }) => path).slice(0, 3))
   * // → [ '', 'conv1', 'bn1' ]
   */
  modules(): ModuleNode[] {
    return binding.moduleTree(this.#handle)
  }

  /**
   * Lists the submodules that a method calls.
   *
   * @param method the name of the method. Default: `forward`.
   * @returns their paths, in the order of the calls in the graph
   * @throws `ERR_NO_METHOD` when there is no such method
   * @example
   * console.log(model.calledSubmodules().slice(0, 3))
   * // → [ 'conv1', 'bn1', 'layer1' ]
   */
  calledSubmodules(method = 'forward'): string[] {
    return binding.moduleCalledSubmodules(this.#handle, method)
  }

  /**
   * Lists the operators that a method calls, itself and through submodules, and where the arguments of each come from. A call in a loop or
   * under a condition is listed once.
   *
   * @param method the name of the method. Default: `forward`.
   * @returns the calls, in the order of the graph
   * @throws `ERR_NO_METHOD` when there is no such method
   * @example
   * const [first] = model.operatorCalls()
   * console.log(first?.operator, first?.arguments.weight)
   * // → aten::conv2d { attribute: 'conv1.weight', dtype: 'float32' }
   */
  operatorCalls(method = 'forward'): OperatorCall[] {
    return this.dataFlow(method).calls
  }

  /**
   * Describes what a method computes: its {@link operatorCalls}, and where its result comes from. This leads from the result back to weights
   * and inputs.
   *
   * @param method the name of the method. Default: `forward`.
   * @returns the calls and the source of the result
   * @throws `ERR_NO_METHOD` when there is no such method
   */
  dataFlow(method = 'forward'): DataFlow {
    return binding.moduleDataFlow(this.#handle, method)
  }

  /**
   * The graph of a method as a tree of its nodes, with all calls inlined that libtorch can inline. Its first input is the
   * module itself. The graph of a fork is not part of it. `graph(method, { inlined: true })` is the same graph as text.
   *
   * @param method the name of a method. Default: `forward`.
   * @returns the nodes in their order; the blocks of a node are the branches of a condition, or the body of a loop
   * @throws `ERR_NO_METHOD` when there is no such method
   * @example
   * const { nodes } = model.graphTree()
   * console.log(nodes.filter(({ kind }) => kind === 'aten::linear').length)
   * // → 1
   */
  graphTree(method = 'forward'): GraphBlock {
    return binding.moduleGraphTree(this.#handle, method)
  }

  /**
   * The parameters. They are the module's own memory: writing to them changes the module. A tied weight is there under each of its names.
   *
   * @returns them by their dotted names, in the order of their registration
   * @example
   * console.log(model.namedParameters().get('fc.weight')?.shape)
   * // → [ 10, 256 ]
   */
  namedParameters(): Map<string, Tensor> {
    return new Map(binding.moduleParameters(this.#handle).map(([name, handle]) => [name, new Tensor(handle)]))
  }

  /**
   * The parameters without their names. A tied weight, which has several names, comes once, as in PyTorch.
   *
   * @returns them in the order of {@link namedParameters}
   */
  parameters(): Tensor[] {
    return [...eachOnce(this.namedParameters()).values()]
  }

  /**
   * The buffers, such as the running statistics of batch norms. They are the module's own memory too.
   *
   * @returns them by their dotted names, in the order of their registration
   */
  namedBuffers(): Map<string, Tensor> {
    return new Map(binding.moduleBuffers(this.#handle).map(([name, handle]) => [name, new Tensor(handle)]))
  }

  /**
   * The parameters and buffers, for `saveStateDict`. They are the module's own memory, detached from gradients: writing to them changes the
   * module.
   *
   * @returns them by their dotted names, in the order of Python's `state_dict()`
   */
  stateDict(): Map<string, Tensor> {
    const paths = this.modules().map(({ path }) => path)
    return collectState(paths, this.namedParameters(), this.namedBuffers())
  }

  /** The extra files of the archive, for example `sos.json`, as texts by name. */
  get extraFiles(): Record<string, string> {
    return binding.moduleExtraFiles(this.#handle)
  }

  /** Whether the module is in train mode. False if it has no mode, as a frozen module. */
  get training(): boolean {
    return binding.moduleIsTraining(this.#handle)
  }
}
