import { expectList, refuseArgument, SosError, shown } from '../../base/index.js'
import { currentContext } from '../context/context.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import type { Device, DType, Layout, TypedArray } from './dtype.js'
import { type BufferOptions, type TensorOptions, tensorOfValues, tensorOverBuffer } from './elements.js'
import type { NestedValues } from './nested-array.js'
import { type ToOptions, toOptions } from './to-options.js'

const dtypeNames = binding.dtypeNames() as DType[]

let readHandle: (tensor: Tensor) => TensorHandle

/**
 * A tensor of libtorch. `torch.tensor` and the operators make tensors.
 *
 * The memory is freed by `dispose()`, at the end of a `using` or of a `scope`, or by the garbage collector, which knows the size.
 *
 * @example
 * const t = torch.tensor([[1, 2], [3, 4]])
 * console.log(t.shape, t.dtype, t.sum().item())
 * // → [ 2, 2 ] float32 10
 */
export class Tensor {
  #handle: TensorHandle

  /**
   * A field that differs between any two tensors. Comparisons field by field, such as `assert.deepStrictEqual` and `toEqual`, cannot compare
   * elements; with this field they find no two tensors equal. Use `torch.equal` or `allclose`. The field also makes `structuredClone` and
   * `postMessage` throw, which would otherwise make an empty object of a tensor.
   */
  readonly id: () => string = () => 'A Tensor: post its toTypedArray() and its shape'

  static {
    readHandle = (tensor) => tensor.#handle
  }

  /**
   * Not for users: `torch.tensor` and the operators make tensors.
   *
   * @internal
   */
  constructor(handle: TensorHandle) {
    this.#handle = handle
    currentContext().scope?.add(this)
  }

  /**
   * Makes a tensor from values, which are copied and converted to the dtype. Also available as `torch.tensor`.
   *
   * @param values a number, nested arrays of numbers, bigints, booleans or complex numbers, or a typed array
   * @param options dtype, device and `requiresGrad`; `shape` gives another shape to the same number of elements
   * @returns the tensor
   * @throws `ERR_SHAPE` for nested arrays of different lengths and for a shape that does not fit; `ERR_DTYPE` for values of different kinds;
   *   `ERR_RANGE` for a number that an integer dtype cannot hold; `ERR_DEVICE`
   * @example
   * console.log(torch.tensor([[1, 2], [3, 4]], { dtype: 'float64' }))
   * // → tensor([[1., 2.],
   * // →         [3., 4.]], dtype=torch.float64)
   */
  static from(
    this: void,
    values: TypedArray | NestedValues,
    options: TensorOptions & { shape?: readonly number[] } = {},
  ): Tensor {
    const tensor = new Tensor(tensorOfValues(values, options))
    if (options.requiresGrad) tensor.requiresGrad = true
    return tensor
  }

  /**
   * Makes a tensor that uses JavaScript's memory in place: what one writes the other reads. Also available as `torch.fromBuffer`. As Python's
   * `torch.frombuffer`.
   *
   * The memory is kept as long as any tensor, or a view of it, uses it. An ArrayBuffer can no longer be transferred then: `postMessage`
   * copies it. Copy the memory of a WebAssembly.Memory with `torch.tensor` instead, since it moves when it grows.
   *
   * @param source a Buffer, a typed array, a DataView, an ArrayBuffer or a SharedArrayBuffer
   * @param options dtype, shape, `byteOffset` and `requiresGrad`
   * @returns the tensor, on the CPU
   * @throws `ERR_ALIGNMENT` unless the elements begin at a multiple of their size; `ERR_SHAPE` when there are fewer bytes than the shape
   *   takes; `ERR_RANGE` for a `byteOffset` beyond the memory; `ERR_INVALID_ARGUMENT` for another source or a resizable ArrayBuffer
   * @example
   * const array = new Float32Array([1, 2, 3])
   * torch.fromBuffer(array).mul_(10)
   * console.log(array)
   * // → Float32Array(3) [ 10, 20, 30 ]
   */
  static fromBuffer(
    this: void,
    source: ArrayBufferLike | NodeJS.ArrayBufferView,
    options: BufferOptions = {},
  ): Tensor {
    const tensor = new Tensor(tensorOverBuffer(source, options))
    if (options.requiresGrad) tensor.requiresGrad = true
    return tensor
  }

  /** The extents of the dimensions; [] for a tensor without dimensions, which has one element. */
  get shape(): readonly number[] {
    return binding.tensorShape(this.#handle)
  }

  /** The number of dimensions. */
  get ndim(): number {
    return binding.tensorDim(this.#handle)
  }

  /** The dtype, by PyTorch's name: for example `float32`. */
  get dtype(): DType {
    return dtypeNames[binding.tensorDtype(this.#handle)]!
  }

  /** How the elements are stored: `strided`, except for sparse tensors. */
  get layout(): Layout {
    return binding.tensorLayout(this.#handle) as Layout
  }

  /** The device of the elements, for example `cpu` or `cuda:0`. */
  get device(): Device {
    return binding.tensorDevice(this.#handle)
  }

  /**
   * Whether operators on the tensor are recorded for gradients. It can be set on leaves of floating-point and complex dtypes; on others,
   * setting it throws `ERR_TORCH`. `requires_grad_()` sets it too and returns the tensor.
   */
  get requiresGrad(): boolean {
    return binding.tensorRequiresGrad(this.#handle)
  }

  set requiresGrad(value: boolean) {
    binding.tensorSetRequiresGrad(this.#handle, value, currentContext().modes)
  }

  /** Whether the tensor is a leaf: it was not computed from others, or it requires no gradients. */
  get isLeaf(): boolean {
    return binding.tensorIsLeaf(this.#handle)
  }

  /** The name of the operation that computed the tensor, for example `AddBackward0`; null for a leaf. Python's `type(x.grad_fn).__name__`. */
  get gradFn(): string | null {
    return binding.tensorGradFn(this.#handle)
  }

  /** The tensor with its dimensions reversed; a view. */
  get T(): Tensor {
    return this.numpy_T()
  }

  /**
   * The shape, or the extent of one dimension. A negative dimension counts from the end.
   *
   * @returns the shape; with a dimension, its extent
   * @throws `ERR_INDEX` when there is no such dimension
   */
  size(): readonly number[]
  size(dim: number): number
  size(dim?: number): number | readonly number[] {
    return dim === undefined ? this.shape : extentAt(this.shape, dim)
  }

  /**
   * The strides: the distance in memory, in elements, between neighbours along each dimension, or along one. A
   * negative dimension counts from the end.
   *
   * @returns all strides; with a dimension, its stride
   * @throws `ERR_INDEX` when there is no such dimension
   */
  stride(): readonly number[]
  stride(dim: number): number
  stride(dim?: number): number | readonly number[] {
    const strides = binding.tensorStrides(this.#handle)
    return dim === undefined ? strides : extentAt(strides, dim)
  }

  /**
   * Converts the tensor to another dtype or moves it to another device. If nothing changes, the result shares the memory of the tensor.
   *
   * It takes a dtype; a device, and perhaps a dtype; another tensor, whose device and dtype the result gets; or only options. Options have the
   * names of the operator's schema.
   *
   * @returns the converted tensor
   * @throws `ERR_DTYPE`, `ERR_DEVICE`, `ERR_INVALID_ARGUMENT` for an unknown option
   * @example
   * x.to('float64')
   * x.to('cpu', 'float16')
   * x.to({ dtype: 'bfloat16', copy: true })
   */
  to(dtype: DType, options?: Omit<ToOptions, 'dtype'>): Tensor
  to(device: Device, dtype?: DType, options?: Omit<ToOptions, 'device' | 'dtype'>): Tensor
  to(device: Device, options?: Omit<ToOptions, 'device'>): Tensor
  to(other: Tensor, options?: Omit<ToOptions, 'device' | 'dtype'>): Tensor
  to(options: ToOptions): Tensor
  to(first: string | Tensor | ToOptions, ...rest: (DType | ToOptions | undefined)[]): Tensor {
    const options = toOptions(first, rest, (value) => value instanceof Tensor)
    const { device, dtype, non_blocking = false, copy = false, memory_format } = options
    const { modes } = currentContext()
    return new Tensor(binding.tensorTo(this.#handle, modes, device, dtype, non_blocking, copy, memory_format))
  }

  /** Whether `dispose()`, `using` or a `scope` has freed the tensor. */
  get disposed(): boolean {
    return this.#handle === disposedHandle
  }

  /** Frees the memory now, unless other tensors share it. Using the tensor afterwards throws `ERR_DISPOSED`. */
  dispose(): void {
    const handle = this.#handle
    if (handle === disposedHandle) return
    binding.dispose(handle)
    this.#handle = disposedHandle
    if (spareHandles.length < MOST_SPARE) spareHandles.push(handle)
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** The native object of every disposed tensor: using it throws. */
const disposedHandle = binding.disposedHandle()

// The handles of disposed tensors are used again for the results of later operators: making and finalizing one costs as much as a small
// operator. No tensor refers to them any more.
const spareHandles: TensorHandle[] = []
const MOST_SPARE = 1024

/** A handle of a disposed tensor for a result, or undefined if there is none: then a new one is made. */
export function takeSpareHandle(): TensorHandle | undefined {
  return spareHandles.pop()
}

/** The native object of a tensor. Do not keep it: after the tensor is disposed of, the handle is used for another tensor. */
export function handleOf(tensor: Tensor): TensorHandle {
  try {
    return readHandle(tensor)
  } catch {
    return refuseArgument('a Tensor', 'a tensor', tensor)
  }
}

/** The native objects of an array of tensors. Throws `ERR_INVALID_ARGUMENT` for anything else. */
export function handlesOf(name: string, tensors: readonly Tensor[]): TensorHandle[] {
  expectList(name, tensors)
  return Array.from(tensors, (tensor, i) =>
    tensor instanceof Tensor ? handleOf(tensor) : refuseArgument('a Tensor', `${name}[${i}]`, tensor),
  )
}

/** Throws `ERR_INVALID_ARGUMENT` unless the value is a tensor. */
export function expectTensor(name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor)) refuseArgument('a Tensor', name, value)
}

function extentAt(extents: readonly number[], dim: number): number {
  const extent = Number.isInteger(dim) ? extents.at(dim) : undefined
  if (extent !== undefined) return extent
  throw new SosError(
    'ERR_INDEX',
    `expected a dimension from ${-extents.length} to ${extents.length - 1} but received ${shown(dim)}`,
  )
}
