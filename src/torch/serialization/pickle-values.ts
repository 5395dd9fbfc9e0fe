/** What the unpickler builds: plain data, and descriptions of tensors whose memory is not read yet. */
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

/** A storage that the file holds elsewhere. */
export class PickledStorage {
  /**
   * @param key its name in the file
   * @param dtype PyTorch's name; null where the storage is untyped, and the tensor tells
   * @param bytes its size
   * @param start the byte of the record at which it begins: files of old have storages that lie in others
   */
  constructor(
    readonly key: string,
    readonly dtype: string | null,
    readonly bytes: number,
    readonly start: number,
  ) {}
}

/** A tensor over a storage; offset and strides count elements. */
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

/** `torch.float32` and the like, or a storage class, whose dtype is null where it is untyped. */
export class PickledDType {
  constructor(readonly dtype: string | null) {}
}

/** `numpy.dtype('f8')`, of which scalars are made. */
export class NumpyDType {
  littleEndian = true
  constructor(readonly code: string) {}
}

/** A name that a pickle may call, or only mention where `call` throws. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call: (args: PickleValue[]) => PickleValue,
    /** Whether nothing is known of it but its name: what its calls give is an {@link InertObject}. */
    readonly foreign = false,
  ) {}
}

/** In the place of an object of a class that is not known here, of which nothing is kept. */
export class InertObject {
  /** Whether it has a module's attributes: a model that was pickled whole. */
  isModule = false
  /** @param name of the class, or of the function that would make the object */
  constructor(readonly name: string) {}
}
