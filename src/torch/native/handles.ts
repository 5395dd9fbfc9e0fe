declare const brand: unique symbol
/** A native object. Handles are opaque to JavaScript; the classes of src/torch keep them private. */
export type TensorHandle = { readonly [brand]: 'Tensor' }
export type ModuleHandle = { readonly [brand]: 'ScriptModule' }
export type ObjectHandle = { readonly [brand]: 'ScriptObject' }
export type GeneratorHandle = { readonly [brand]: 'Generator' }
export type ProcessGroupHandle = { readonly [brand]: 'ProcessGroup' }
export type GradientReducerHandle = { readonly [brand]: 'GradientReducer' }
export type OperatorHandle = { readonly [brand]: 'Operator' }

/** A native object that can be freed before the garbage collector frees it. */
export type DisposableHandle =
  | TensorHandle
  | ModuleHandle
  | ObjectHandle
  | ProcessGroupHandle
  | GradientReducerHandle

/** A value as it crosses the boundary: native objects are handles, a complex number is an array of its two parts. */
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
