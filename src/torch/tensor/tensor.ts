import { expectList, refuseArgument, SosError, shown } from '../../base/index.js'
import { currentContext } from '../context/context.js'
import { binding } from '../native/binding.js'
import type { TensorHandle } from '../native/handles.js'
import { Complex } from './complex.js'
import { type Device, type DType, elementLayout, type Layout, type TypedArray } from './dtype.js'
import {
  type BufferOptions,
  readElements,
  type TensorOptions,
  tensorOfValues,
  tensorOverBuffer,
} from './elements.js'
import { type NestedArray, type NestedValues, nest } from './nested-array.js'
import { type ToOptions, toOptions } from './to-options.js'

const dtypeNames = binding.dtypeNames() as DType[]

let readHandle: (tensor: Tensor) => TensorHandle

/**
 * A tensor of libtorch. Its memory is freed by `dispose()` or `using`, at the end of a `scope`, or at the latest by the
 * garbage collector, which knows its size.
 */
export class Tensor {
  #handle: TensorHandle

  /**
   * What tells tensors apart where objects are compared field by field, as by `assert.deepStrictEqual` and `toEqual`: no two are equal,
   * for these cannot compare elements; `torch.equal` and `allclose` do. It also keeps `structuredClone` and `postMessage` from making an
   * empty object of a tensor: they throw.
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
   * Makes a tensor from numbers, nested arrays or a typed array, whose values are copied and converted to the dtype.
   * Throws `ERR_SHAPE` for nested arrays of different lengths, `ERR_DTYPE` for values of different kinds, `ERR_RANGE`
   * for a number that an integer dtype cannot hold.
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
   * Makes a tensor that uses the memory of a Buffer, a typed array, an ArrayBuffer or a SharedArrayBuffer in place, as
   * Python's `torch.frombuffer`: what one writes the other reads. The memory is kept as long as any tensor uses it,
   * views too. An ArrayBuffer can no longer be transferred then: `postMessage` copies it. Throws `ERR_ALIGNMENT` where
   * the elements don't begin at a multiple of their size, `ERR_SHAPE` where there are fewer bytes than the shape takes.
   * The memory of a WebAssembly.Memory moves when it grows: copy it by `torch.tensor`.
   *
   * @example
   * torch.fromBuffer(await readFile('weights.bin'), { dtype: 'float16', shape: [512, 1000] })
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

  /** The extents of the dimensions; [] for a tensor of one element without dimensions. */
  get shape(): readonly number[] {
    return binding.tensorShape(this.#handle)
  }

  /** The number of dimensions. */
  get ndim(): number {
    return binding.tensorDim(this.#handle)
  }

  /** The dtype by PyTorch's name, as `float32`. */
  get dtype(): DType {
    return dtypeNames[binding.tensorDtype(this.#handle)]!
  }

  /** How the elements lie in memory: `strided`, save for sparse tensors. */
  get layout(): Layout {
    return binding.tensorLayout(this.#handle) as Layout
  }

  /** Where the elements are, as `cpu` or `cuda:0`. */
  get device(): Device {
    return binding.tensorDevice(this.#handle)
  }

  /**
   * Whether operators on the tensor are recorded for gradients. It can be set on leaves of floating-point and complex dtypes, else
   * that throws `ERR_TORCH`; as `requires_grad_()`, which returns the tensor.
   */
  get requiresGrad(): boolean {
    return binding.tensorRequiresGrad(this.#handle)
  }

  set requiresGrad(value: boolean) {
    binding.tensorSetRequiresGrad(this.#handle, value, currentContext().modes)
  }

  /** Whether gradients that reach the tensor end here: nobody computed it, or it needs none. */
  get isLeaf(): boolean {
    return binding.tensorIsLeaf(this.#handle)
  }

  /** The name of what computed the tensor, as `AddBackward0`; null for a leaf. Python's `type(x.grad_fn).__name__`. */
  get gradFn(): string | null {
    return binding.tensorGradFn(this.#handle)
  }

  /** The tensor with its dimensions reversed; a view. */
  get T(): Tensor {
    return this.numpy_T()
  }

  /** The shape, or the extent of one dimension. */
  size(): readonly number[]
  size(dim: number): number
  size(dim?: number): number | readonly number[] {
    return dim === undefined ? this.shape : along(this.shape, dim)
  }

  /** How many elements lie between neighbours along each dimension, or along one. */
  stride(): readonly number[]
  stride(dim: number): number
  stride(dim?: number): number | readonly number[] {
    const strides = binding.tensorStrides(this.#handle)
    return dim === undefined ? strides : along(strides, dim)
  }

  /**
   * The only element; a boolean as 0 or 1, one of a complex tensor as {@link Complex}: `item<Complex>()`. Throws
   * `ERR_SHAPE` where there is not exactly one, `ERR_RANGE` for an integer beyond 2^53, which {@link itemBigInt} reads.
   * A device is waited for.
   */
  item<T extends number | Complex = number>(): T {
    const value = binding.tensorItem(this.#handle)
    if (typeof value === 'number') return value as T
    if (typeof value === 'bigint') throw unsafe(value, 'itemBigInt()')
    return (typeof value === 'boolean' ? Number(value) : new Complex(value[0]!, value[1]!)) as T
  }

  /** The only element of an integer tensor. Throws as {@link item}, and `ERR_DTYPE` for another dtype. */
  itemBigInt(): bigint {
    const value = binding.tensorItem(this.#handle)
    if (typeof value === 'bigint') return value
    if (/^u?int/.test(this.dtype)) return BigInt(value as number)
    throw new SosError('ERR_DTYPE', `expected a tensor of integers but this one is of ${this.dtype}`)
  }

  /**
   * A copy of the elements in row-major order. What JavaScript has no numbers for comes as it lies in memory: float16,
   * bfloat16 and complex32 as a Uint16Array of their bits, float8 as a Uint8Array, quantised tensors as their integers; booleans
   * are bytes of 0 and 1. A complex element takes two places. A device is waited for.
   */
  toTypedArray<T extends TypedArray = TypedArray>(): T {
    const { array } = elementLayout(this.dtype)
    return new array(binding.tensorToArrayBuffer(this.#handle)) as T
  }

  /** As {@link toTypedArray}, as bytes. */
  toArrayBuffer(): ArrayBuffer {
    return binding.tensorToArrayBuffer(this.#handle)
  }

  /** As {@link toTypedArray}, as bytes for a file or a socket. */
  toBuffer(): Buffer {
    return Buffer.from(this.toArrayBuffer())
  }

  /**
   * The tensor's own memory as a typed array, without a copy: each sees what the other writes, operators in place too.
   * The memory is kept as long as the array is reachable, also when the tensor is disposed of; it is freed at a turn of
   * the event loop, so a loop that never yields should copy by {@link toTypedArray}. A write to it is unknown to
   * autograd, and must not meet an operator at work on the same memory. From then on the memory stays where it is: what would
   * enlarge it (`resize_`, `out`) throws `ERR_TORCH`, as after Python's `numpy()`. Throws `ERR_NOT_VIEWABLE` for a tensor that is
   * not contiguous, needs gradients, or lies on another device, and where the runtime (Electron) allows no such arrays; `ERR_BUSY` while
   * a pending operator writes to it.
   */
  asTypedArray<T extends TypedArray = TypedArray>(): T {
    const { array } = elementLayout(this.dtype)
    return new array(binding.tensorAsArrayBuffer(this.#handle)) as T
  }

  /**
   * A copy of the elements as nested arrays: numbers, booleans as 0 and 1, complex elements as {@link Complex}:
   * `toArray<Complex>()`. Throws `ERR_RANGE` for an integer beyond 2^53, which {@link toTypedArray} reads.
   */
  toArray<T extends number | Complex = number>(): NestedArray<T> {
    const values = readElements(this.#handle, this.dtype).map((value) => {
      if (typeof value !== 'bigint') return value
      const number = Number(value)
      if (!Number.isSafeInteger(number)) throw unsafe(value, 'toTypedArray()')
      return number
    })
    return nest(values as T[], this.shape)
  }

  /**
   * The tensor in another dtype, on another device or as another tensor is; as itself, sharing its memory, where nothing
   * changes. Keyword arguments have the schema's own names.
   *
   * @example
   * x.to('float64')
   * x.to('cuda:0', 'float16')
   * x.to({ device: 'cuda', dtype: 'float16', non_blocking: true })
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

  /** Whether `dispose()`, `using` or a `scope` has freed it. */
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

/** What every disposed tensor has for its native side: using it throws. */
const disposedHandle = binding.disposedHandle()

// The externals of disposed tensors hold the results of later operators: making one and finalizing it costs as much as a
// small operator. No tensor refers to them any more.
const spareHandles: TensorHandle[] = []
const MOST_SPARE = 1024

/** An external for a result, or undefined: a new one is made. */
export function takeSpareHandle(): TensorHandle | undefined {
  return spareHandles.pop()
}

/** The native side of a tensor, for this folder's other files. Not to be kept: a disposed tensor's is used again. */
export function handleOf(tensor: Tensor): TensorHandle {
  try {
    return readHandle(tensor)
  } catch {
    return refuseArgument('a Tensor', 'a tensor', tensor)
  }
}

/** The native sides of an array of tensors. Throws `ERR_INVALID_ARGUMENT` where it is none. */
export function handlesOf(name: string, tensors: readonly Tensor[]): TensorHandle[] {
  expectList(name, tensors)
  return Array.from(tensors, (tensor, i) =>
    tensor instanceof Tensor ? handleOf(tensor) : refuseArgument('a Tensor', `${name}[${i}]`, tensor),
  )
}

/** @throws `ERR_INVALID_ARGUMENT` where a value is no tensor */
export function expectTensor(name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor)) refuseArgument('a Tensor', name, value)
}

function along(extents: readonly number[], dim: number): number {
  const extent = Number.isInteger(dim) ? extents.at(dim) : undefined
  if (extent !== undefined) return extent
  throw new SosError(
    'ERR_INDEX',
    `expected a dimension from ${-extents.length} to ${extents.length - 1} but received ${shown(dim)}`,
  )
}

function unsafe(value: bigint, remedy: string): SosError {
  return new SosError('ERR_RANGE', `${value} is no safe integer; read it by ${remedy}`)
}
