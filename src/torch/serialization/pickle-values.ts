/** The values that the unpickler builds: plain data, and descriptions of tensors whose memory has not been read yet. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Set<PickleValue>
  | Map<PickleValue, PickleValue>
  | PickledStorage
  | PickledTensor
  | PickledDType
  | NumpyDType
  | PickleGlobal
  | InertObject

/** A storage, whose bytes are in another place of the file. */
export class PickledStorage {
  /**
   * @param key the name of the storage in the file
   * @param dtype PyTorch's name; null if the storage is untyped and only the tensor has a dtype
   * @param bytes the size
   * @param start where it begins in its record, in bytes: in old files storages can be parts of others
   */
  constructor(
    readonly key: string,
    readonly dtype: string | null,
    readonly bytes: number,
    readonly start: number,
  ) {}
}

/** A tensor over a storage. Offset and strides are in elements. */
export class PickledTensor {
  constructor(
    readonly storage: PickledStorage,
    readonly dtype: string,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
    /** Lazy conjugation and negation, which files may carry. */
    readonly lazy: { readonly conj: boolean; readonly neg: boolean },
  ) {}
}

/** A dtype such as `torch.float32`, or a storage class, whose dtype is null if it is untyped. */
export class PickledDType {
  constructor(readonly dtype: string | null) {}
}

/** A dtype of NumPy, such as `numpy.dtype('f8')`, with which scalars are made. */
export class NumpyDType {
  littleEndian = true
  constructor(readonly code: string) {}
}

/** A name that a pickle may call. If `call` throws, the pickle may only mention it. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call: (args: PickleValue[]) => PickleValue,
    /** Whether only the name is known: its calls give an {@link InertObject}. */
    readonly foreign = false,
  ) {}
}

/** Stands for an object of a class that is not known here. Nothing of the object is kept. */
export class InertObject {
  /** Whether it has the attributes of a module: it is a model that was pickled as a whole. */
  isModule = false
  /** @param name the name of the class, or of the function that would make the object */
  constructor(readonly name: string) {}
}
