declare const brand: unique symbol
/** Native objects, opaque here; the classes of this folder keep them private. */
export type TensorHandle = { readonly [brand]: 'Tensor' }
export type ModuleHandle = { readonly [brand]: 'ScriptModule' }
export type ObjectHandle = { readonly [brand]: 'ScriptObject' }
export type GeneratorHandle = { readonly [brand]: 'Generator' }
export type ProcessGroupHandle = { readonly [brand]: 'ProcessGroup' }
export type GradientReducerHandle = { readonly [brand]: 'GradientReducer' }
export type OperatorHandle = { readonly [brand]: 'Operator' }

export type DisposableHandle =
  | TensorHandle
  | ModuleHandle
  | ObjectHandle
  | ProcessGroupHandle
  | GradientReducerHandle

/** What crosses the boundary: tensors and generators as handles, a complex number as its two parts, all else as itself. */
export type NativeValue =
  | TensorHandle
  | GeneratorHandle
  | ObjectHandle
  | ModuleHandle
  | number
  | bigint
  | boolean
  | string
  | null
  | undefined
  | Float64Array
  | NativeValue[]
  | Map<NativeValue, NativeValue>
  | { [name: string]: NativeValue }
