import type { StoredDType } from './stored-dtype.js'

/** A tensor as torch.save describes it. Offset and strides are in elements. */
export interface TensorDescription {
  readonly name: string
  readonly dtype: StoredDType
  /** The storage, whose bytes are the record `data/KEY`. */
  readonly storage: { readonly key: string; readonly bytes: number }
  readonly offset: number
  readonly shape: readonly number[]
  readonly strides: readonly number[]
}

/** Writes the pickle (protocol 2) of an OrderedDict of tensors, which `torch.load(weights_only=True)` reads. */
export function pickleStateDict(tensors: readonly TensorDescription[]): Uint8Array {
  const pickle = new PickleWriter()
  pickle.protocol().emptyOrderedDict().raw('(')
  for (const tensor of tensors) {
    pickle.text(tensor.name)
    writeTensor(pickle, tensor)
  }
  return pickle.raw('u.').bytes()
}

/** Writes a call of the function that rebuilds a tensor in Python. Its version 3 is for dtypes without a storage class. */
function writeTensor(
  pickle: PickleWriter,
  { dtype, storage, offset, shape, strides }: TensorDescription,
): void {
  const typed = dtype.storage !== null
  pickle.global('torch._utils', typed ? '_rebuild_tensor_v2' : '_rebuild_tensor_v3').raw('((')
  pickle.text('storage')
  if (typed) pickle.global('torch', dtype.storage)
  else pickle.global('torch.storage', 'UntypedStorage')
  pickle.text(storage.key).text('cpu')
  pickle.integer(typed ? storage.bytes / dtype.bytes : storage.bytes).raw('tQ')
  pickle.integer(offset).integers(shape).integers(strides)
  // Whether the tensor requires gradients (false), and its hooks (none).
  pickle.raw('\x89').emptyOrderedDict()
  if (!typed) pickle.global('torch', dtype.dtype)
  pickle.raw('tR')
}

/** Writes the opcodes of a pickle, without a memo. */
class PickleWriter {
  readonly #parts: Buffer[] = []

  protocol(): this {
    return this.raw('\x80\x02')
  }

  raw(opcodes: string): this {
    this.#parts.push(Buffer.from(opcodes, 'latin1'))
    return this
  }

  global(module: string, name: string): this {
    return this.raw(`c${module}\n${name}\n`)
  }

  emptyOrderedDict(): this {
    return this.global('collections', 'OrderedDict').raw(')R')
  }

  text(value: string): this {
    const text = Buffer.from(value, 'utf8')
    const head = Buffer.alloc(5)
    head.write('X', 'latin1')
    head.writeUInt32LE(text.length, 1)
    this.#parts.push(head, text)
    return this
  }

  /** Writes a safe integer that is not negative. */
  integer(value: number): this {
    if (value < 2 ** 31) {
      const small = Buffer.alloc(5)
      small.write('J', 'latin1')
      small.writeInt32LE(value, 1)
      this.#parts.push(small)
    } else {
      const long = Buffer.alloc(10)
      long.write('\x8a\x08', 'latin1')
      long.writeBigInt64LE(BigInt(value), 2)
      this.#parts.push(long)
    }
    return this
  }

  /** Writes a tuple of integers. */
  integers(values: readonly number[]): this {
    this.raw('(')
    for (const value of values) this.integer(value)
    return this.raw('t')
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts)
  }
}
