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

  /** As {@link Tensor.id}: no two objects are equal field by field, and none can be cloned. */
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
   * Calls a method, off the event loop. Arguments are converted as its schema asks: numbers, strings, null, arrays (lists
   * and tuples), NamedTuples by their fields, maps and plain objects (dicts), tensors, objects. A plain object at the end
   * holds keyword arguments, or, where these do not fit, it is the last argument; a Map is always an argument.
   *
   * @throws `ERR_NO_METHOD`, `ERR_METHOD_ARGUMENTS`; `ERR_TORCH` where the method fails, with the properties `submodule`
   * (the path of the one at work) and `line` (of the serialized code)
   */
  async call(method: string, ...inputs: unknown[]): Promise<Value> {
    const { positional, keyword } = splitArguments(inputs)
    const { modes } = currentContext()
    return fromNative(
      await onLane(() => binding.callObject(this.#handle, method, modes, positional, keyword)),
    )
  }

  /** The Python class, as `torch.nn.modules.conv.Conv2d`. */
  get type(): string {
    return binding.objectType(this.#handle)
  }

  /** Schemas of the methods, as `forward(Tensor x) -> Tensor`. */
  get methods(): string[] {
    return binding.objectMethods(this.#handle)
  }

  /** Types of the attributes by their names, in TorchScript's notation, as `Dict[str, Tensor]`. */
  get attributes(): Map<string, string> {
    return new Map(binding.objectAttributes(this.#handle))
  }

  /** The value of an attribute or constant. Tensors and objects are the instance's own. Throws `ERR_NO_ATTRIBUTE`. */
  attribute(name: string): Value {
    return fromNative(binding.objectAttribute(this.#handle, name))
  }

  /** Sets an attribute to a value of its type. Throws `ERR_NO_ATTRIBUTE`, `ERR_INVALID_ARGUMENT`. */
  setAttribute(name: string, value: Value): void {
    binding.objectSetAttribute(this.#handle, name, toNative(value))
  }

  /** A method in TorchScript's Python-like code, as Python's `module.code`. */
  code(method = 'forward'): string {
    return binding.objectCode(this.#handle, method)
  }

  /** The text of a method's graph; `inlined` puts the bodies of the methods that it calls in their places. */
  graph(method = 'forward', options: { inlined?: boolean } = {}): string {
    expectObject('options', options)
    return binding.objectGraph(this.#handle, method, options.inlined ?? false)
  }

  /** Frees it once its pending calls are done. Using it afterwards throws `ERR_DISPOSED`. */
  dispose(): void {
    binding.dispose(this.#handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Throws `ERR_NOT_SERIALIZABLE`: it has no JSON. */
  toJSON(): never {
    throw notSerializable(
      'a module or an object of TorchScript',
      'save() writes modules, stateDict() has their weights',
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

/** Positional values and, from a plain object at the end, keyword values. */
export function splitArguments(inputs: readonly unknown[]): {
  positional: NativeValue[]
  keyword: Record<string, NativeValue> | undefined
} {
  const last = inputs[inputs.length - 1]
  const keyword = isOptions(last) ? toNativeRecord(last) : undefined
  const positional = keyword === undefined ? inputs : inputs.slice(0, -1)
  return { positional: positional.map((value) => toNative(value)), keyword }
}
