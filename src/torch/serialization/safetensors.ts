import {
  clipped,
  expectMap,
  expectText,
  parseForeignJson,
  SosError,
  writeAtomically,
} from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import { elementCount, rowMajorStrides } from '../tensor/shape.js'
import { expectTensor, handleOf, Tensor } from '../tensor/tensor.js'
import { ByteSource, bytesTensor } from './byte-source.js'
import { duplicateKey } from './duplicate-key.js'
import { storageOf } from './storage.js'
import { type StoredDType, storedDType, writableDType } from './stored-dtype.js'

/** The contents of a safetensors file. */
export interface Safetensors {
  /** The tensors by name, in the order of their bytes. */
  tensors: Map<string, Tensor>
  /** The texts of `__metadata__`. `{ format: 'pt' }` means that the file is for PyTorch. */
  metadata: Record<string, string>
}

/** The limit of the format. It prevents a wrong length from requesting too much memory. */
const longestHeader = 100_000_000

/** Whether a file begins like a safetensors file: 8 bytes with the length of the header, and a header that begins with a brace. */
export function isSafetensors(start: Buffer, size: number): boolean {
  return start[8] === 0x7b && start.readBigUInt64LE(0) <= BigInt(size - 8)
}

interface Entry {
  name: string
  dtype: StoredDType
  shape: number[]
  begin: number
  end: number
}

/**
 * Reads a safetensors file of any size, off the event loop.
 *
 * The format is 8 bytes with the length of a JSON header; the header with dtype, shape and byte range of each tensor; then the ranges, without
 * gaps. https://huggingface.co/docs/safetensors
 *
 * @param path the path of the file, or its bytes
 * @returns the tensors, each with its own memory on the CPU, and the metadata
 * @throws `ERR_DAMAGED_FILE`, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`; `ERR_DTYPE` for a dtype that PyTorch does not have
 * @example
 * await writeSafetensors('out/example.safetensors', new Map([['a', torch.ones([2])]]), { author: 'me' })
 * const { tensors, metadata } = await readSafetensors('out/example.safetensors')
 * console.log(tensors.get('a'), metadata.author)
 * // → tensor([1., 1.]) me
 */
export async function readSafetensors(path: string | Uint8Array): Promise<Safetensors> {
  return readSafetensorsFrom(await ByteSource.open(path))
}

/** Reads a safetensors file as {@link readSafetensors} does, from a source that is open. */
export async function readSafetensorsFrom(source: ByteSource): Promise<Safetensors> {
  const { entries, metadata, dataStart } = await readHeader(source)
  const tensors = new Map<string, Tensor>()
  try {
    for (const { name, dtype, shape, begin, end } of entries) {
      const bytes = await source.readTensor(dataStart + begin, end - begin)
      try {
        const handle = binding.tensorFromStorage(bytes, dtype.dtype, 0, shape, rowMajorStrides(shape))
        tensors.set(name, new Tensor(handle))
      } finally {
        binding.dispose(bytes)
      }
    }
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose()
    throw error
  }
  return { tensors, metadata }
}

/**
 * Writes a safetensors file, off the event loop. The file appears complete, or what was there before stays.
 *
 * The format has no shared memory: tensors that share memory are each written. Elements are aligned to their size, as the format's own library
 * does it.
 *
 * @param path the file to write
 * @param tensors tensors by their names
 * @param metadata texts to store with them. Default: `{ format: 'pt' }`, which loaders for PyTorch expect.
 * @throws `ERR_DTYPE` for complex128 and other dtypes that the format does not have; `ERR_LAYOUT` for sparse and quantised tensors;
 *   `ERR_OUTPUT` when the file cannot be written; `ERR_INVALID_ARGUMENT`
 * @example
 * await writeSafetensors('out/example.safetensors', model.stateDict())
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  expectText('path', path)
  expectTensors(tensors)
  const named = [...tensors].map(([name, tensor]) => ({ name, tensor, dtype: dtypeFor(name, tensor) }))
  // With the larger elements first, every range begins at a multiple of its element's size.
  named.sort((a, b) => b.dtype.bytes - a.dtype.bytes || (a.name < b.name ? -1 : 1))
  const header: [string, unknown][] = [['__metadata__', metadata]]
  let end = 0
  for (const { name, tensor, dtype } of named) {
    const begin = end
    end += elementCount(tensor.shape) * dtype.bytes
    header.push([name, { dtype: dtype.safetensors, shape: tensor.shape, data_offsets: [begin, end] }])
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true)
  bytes.set(text, 8)
  const parts = () => [bytesTensor(bytes), ...named.map(({ tensor }) => handleOf(tensor))]
  await writeAtomically(path, (file) => onLane(() => binding.writeFileBytes(file, parts())))
}

function dtypeFor(name: string, tensor: Tensor): StoredDType {
  if (name === '__metadata__') {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected other names than __metadata__, which safetensors files use themselves, but a tensor has it',
    )
  }
  binding.dispose(storageOf(name, tensor).bytes)
  const stored = writableDType(tensor.dtype, name)
  if (stored.safetensors !== null) return stored
  throw new SosError(
    'ERR_DTYPE',
    `'${name}': expected a dtype that safetensors files have but received ${tensor.dtype}; save as .pt, or convert the tensor first`,
  )
}

async function readHeader(source: ByteSource) {
  const damaged = (why: string): SosError =>
    new SosError('ERR_DAMAGED_FILE', `${source.name}: expected a safetensors file but ${why}`)
  const prefix = await source.read(0, 8)
  if (prefix.length < 8) throw damaged('it has fewer than 8 bytes')
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true))
  if (length > longestHeader || length > source.size - 8) {
    throw damaged(
      `its header claims to have ${length} bytes, and it can have at most ${Math.min(longestHeader, source.size - 8)}`,
    )
  }
  const { text, header } = parseHeader(await source.read(8, length), damaged)
  const twice = duplicateKey(text)
  if (twice !== undefined) throw damaged(`its header has the key ${JSON.stringify(clipped(twice))} twice`)
  const { __metadata__: written, ...rest } = header
  const metadata = written ?? {} // null means none, as for the safetensors library
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw damaged('its __metadata__ is not a map of texts')
  }
  const entries = Object.entries(rest).map(([name, value]) => toEntry(name, value, damaged))
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const entry of entries) {
    if (entry.begin !== end)
      throw damaged(`the bytes of '${clipped(entry.name)}' do not begin where those of the tensor before end`)
    end = entry.end
  }
  const size = source.size - 8 - length
  if (end !== size) throw damaged(`its tensors take ${end} bytes and the file has ${size} for them`)
  return { entries, metadata: metadata as Record<string, string>, dataStart: 8 + length }
}

function parseHeader(bytes: Uint8Array, damaged: (why: string) => SosError) {
  try {
    if (bytes[0] !== 0x7b) throw new SyntaxError('it does not begin with {')
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { text, header: parseForeignJson(text) as Record<string, unknown> }
  } catch (cause) {
    throw damaged(`its header is not JSON: ${(cause as Error).message}`)
  }
}

function toEntry(name: string, value: unknown, damaged: (why: string) => SosError): Entry {
  const { dtype, shape, data_offsets: range } = isRecord(value) ? value : {}
  if (typeof dtype !== 'string' || !isSizes(shape) || !isSizes(range) || range.length !== 2) {
    throw damaged(`its entry '${clipped(name)}' is not { dtype, shape, data_offsets }`)
  }
  const stored = storedDType('safetensors', dtype)
  if (stored === undefined) {
    throw new SosError(
      'ERR_DTYPE',
      `'${clipped(name)}': expected a dtype of PyTorch but the file has ${JSON.stringify(clipped(dtype))}`,
    )
  }
  const [begin, end] = range as [number, number]
  const bytes = elementCount(shape) * stored.bytes
  const countable = elementCount(shape.map((extent) => Math.max(1, extent)))
  if (bytes !== end - begin || shape.length > 64 || !Number.isSafeInteger(countable)) {
    throw damaged(
      `'${clipped(name)}' of shape [${clipped(shape.join(', '))}] and dtype ${dtype} cannot have ${end - begin} bytes`,
    )
  }
  return { name, dtype: stored, shape, begin, end }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}

/** Throws `ERR_INVALID_ARGUMENT` unless the value is a Map of tensors by their names. */
export function expectTensors(tensors: unknown): void {
  expectMap('tensors', tensors)
  for (const [name, tensor] of tensors as Map<unknown, unknown>) {
    expectText("a tensor's name", name)
    expectTensor(`'${clipped(name)}'`, tensor)
  }
}
