import { inspect } from 'node:util'
import { expectObject, notSerializable } from '../../base/index.js'
import { currentContext } from '../context/context.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ModuleHandle, NativeValue, ObjectHandle } from '../native/handles.js'
import { fromNative, isOptions, toHandle, toNative, toNativeRecord, type Value } from '../operators/values.js'

/** An instance of a TorchScript class: an object that a method returned, or a module. */
export class ScriptObject {
  readonly #handle: ObjectHandle | ModuleHandle

  /** As {@link Tensor.id}: comparisons field by field find no two objects equal, and objects cannot be cloned. */
  readonly id: () => string = () => 'A ScriptObject: post what its methods return, or the share() of a module'

  /**
   * Not for users: methods of modules return objects.
   *
   * @internal
   */
  constructor(handle: ObjectHandle | ModuleHandle) {
    this.#handle = handle
  }

  /**
   * Calls a method, off the event loop.
   *
   * Arguments are converted as the method's schema asks: numbers, strings, null, arrays (for lists and tuples), plain objects or Maps (for
   * dicts), plain objects (for NamedTuples, by their fields), tensors and objects. A plain object at the end holds keyword arguments; if
   * these do not fit the schema, it is the last positional argument. A Map is always a positional argument.
   *
   * @param method the name of the method
   * @param inputs positional arguments, and perhaps a plain object with keyword arguments at the end
   * @returns the result: arrays for lists and tuples, Maps for dicts, arrays with named fields for NamedTuples
   * @throws `ERR_NO_METHOD` when there is no such method, `ERR_METHOD_ARGUMENTS` when the arguments do not fit; `ERR_TORCH` when the method
   *   fails, with the properties `submodule` (the path of the submodule at work) and `line` (of the serialized code)
   * @example
   * const logits = (await model.call('forward', images)) as Tensor
   * console.log(logits.shape)
   * // → [ 8, 10 ]
   */
  async call(method: string, ...inputs: unknown[]): Promise<Value> {
    const { positional, keyword } = splitArguments(inputs)
    const { modes } = currentContext()
    return fromNative(
      await onLane(() => binding.callObject(this.#handle, method, modes, positional, keyword)),
    )
  }

  /** The Python class, for example `torch.nn.modules.conv.Conv2d`. */
  get type(): string {
    return binding.objectType(this.#handle)
  }

  /** The schemas of the methods, for example `forward(Tensor x) -> Tensor`. */
  get methods(): string[] {
    return binding.objectMethods(this.#handle)
  }

  /** The types of the attributes by their names, in TorchScript's notation, for example `Dict[str, Tensor]`. */
  get attributes(): Map<string, string> {
    return new Map(binding.objectAttributes(this.#handle))
  }

  /**
   * Reads an attribute or a constant.
   *
   * @param name its name
   * @returns the value; tensors and objects are the object's own, not copies
   * @throws `ERR_NO_ATTRIBUTE` when there is none of that name
   */
  attribute(name: string): Value {
    return fromNative(binding.objectAttribute(this.#handle, name))
  }

  /**
   * Sets an attribute.
   *
   * @param name its name
   * @param value a value of the attribute's type
   * @throws `ERR_NO_ATTRIBUTE` when there is none of that name, `ERR_INVALID_ARGUMENT` for a value of another type; `ERR_BUSY` while a view
   *   holds the module in eval mode
   */
  setAttribute(name: string, value: Value): void {
    binding.objectSetAttribute(this.#handle, name, toNative(value))
  }

  /**
   * The code of a method in TorchScript's Python-like language, as Python's `module.code`.
   *
   * @param method the name of the method. Default: `forward`.
   * @returns the code
   * @throws `ERR_NO_METHOD` when there is no such method
   * @example
   * console.log(model.code().split('\n')[0])
   * // → def forward(self,
   */
  code(method = 'forward'): string {
    return binding.objectCode(this.#handle, method)
  }

  /**
   * The graph of a method as text.
   *
   * @param method the name of the method. Default: `forward`.
   * @param options.inlined whether the methods that it calls are replaced by their bodies. Default: false.
   * @returns the text
   * @throws `ERR_NO_METHOD` when there is no such method
   */
  graph(method = 'forward', options: { inlined?: boolean } = {}): string {
    expectObject('options', options)
    return binding.objectGraph(this.#handle, method, options.inlined ?? false)
  }

  /** Frees the object when its pending calls are done. Using it afterwards throws `ERR_DISPOSED`. */
  dispose(): void {
    binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Throws `ERR_NOT_SERIALIZABLE`: objects and modules cannot be written as JSON. */
  toJSON(): never {
    throw notSerializable(
      'a module or an object of TorchScript',
      'save() writes modules, and stateDict() returns their weights',
    )
  }

  /** @internal */
  [toHandle](): NativeValue {
    return this.#handle
  }

  [inspect.custom](): string {
    return binding.isDisposed(this.#handle) ? 'ScriptObject (disposed)' : `ScriptObject ${this.type}`
  }
}

/** Separates the positional arguments from the keyword arguments, which are a plain object at the end. */
export function splitArguments(inputs: readonly unknown[]): {
  positional: NativeValue[]
  keyword: Record<string, NativeValue> | undefined
} {
  const last = inputs[inputs.length - 1]
  const keyword = isOptions(last) ? toNativeRecord(last) : undefined
  const positional = keyword === undefined ? inputs : inputs.slice(0, -1)
  return { positional: positional.map((value) => toNative(value)), keyword }
}
