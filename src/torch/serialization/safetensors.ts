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

/** What a safetensors file holds. */
export interface Safetensors {
  /** By name, in the order of their bytes. */
  tensors: Map<string, Tensor>
  /** The text map `__metadata__`; `{ format: 'pt' }` says that PyTorch wrote the file. */
  metadata: Record<string, string>
}

/** The format's own limit, which keeps a lying length from asking for memory. */
const longestHeader = 100_000_000

/** Whether a file begins as one of safetensors: its first 8 bytes are the length of the header, whose first is a brace. */
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
 * Reads a safetensors file of any size, or its bytes. Each tensor gets memory of its own.
 *
 * Format: 8 bytes with the length of a JSON header, the header with dtype, shape and range of each tensor, then the
 * ranges, without holes. https://huggingface.co/docs/safetensors
 *
 * @throws `ERR_DAMAGED_FILE`, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function readSafetensors(path: string | Uint8Array): Promise<Safetensors> {
  return readSafetensorsFrom(await ByteSource.open(path))
}

/** As {@link readSafetensors}, of a source that is open. */
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
 * Writes a safetensors file, off the event loop; it is there whole, or as it was before. The format has no shared memory:
 * of tied tensors each is written. Elements are aligned to their size, as the format's own library aligns them.
 *
 * @param metadata default: `{ format: 'pt' }`, which loaders for PyTorch look for
 * @throws `ERR_DTYPE` for complex128 and others that the format lacks, `ERR_LAYOUT` for sparse and quantised tensors, `ERR_OUTPUT`
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  expectText('path', path)
  expectTensors(tensors)
  const named = [...tensors].map(([name, tensor]) => ({ name, tensor, dtype: dtypeFor(name, tensor) }))
  // Larger elements first: then every range begins at a multiple of its element's size.
  named.sort((a, b) => b.dtype.bytes - a.dtype.bytes || (a.name < b.name ? -1 : 1))
  const header: [string, unknown][] = [['__metadata__', metadata]]
  let end = 0
  for (const { name, tensor, dtype } of named) {
    const begin = end
    end += tensor.numel() * dtype.bytes
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
    throw new SosError('ERR_INVALID_ARGUMENT', 'a tensor cannot be named __metadata__ in a safetensors file')
  }
  binding.dispose(storageOf(name, tensor).bytes)
  const stored = writableDType(tensor.dtype, name)
  if (stored.safetensors !== null) return stored
  throw new SosError(
    'ERR_DTYPE',
    `'${name}': safetensors files have no ${tensor.dtype}; save as .pt, or convert the tensor before`,
  )
}

async function readHeader(source: ByteSource) {
  const damaged = (why: string): SosError =>
    new SosError('ERR_DAMAGED_FILE', `${source.name}: expected a safetensors file but ${why}`)
  const prefix = await source.read(0, 8)
  if (prefix.length < 8) throw damaged('it has less than 8 bytes')
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true))
  if (length > longestHeader || length > source.size - 8) {
    throw damaged(
      `its header claims ${length} bytes, more than the ${Math.min(longestHeader, source.size - 8)} it can have`,
    )
  }
  const { text, header } = parseHeader(await source.read(8, length), damaged)
  const twice = duplicateKey(text)
  if (twice !== undefined) throw damaged(`its header has the key ${JSON.stringify(clipped(twice))} twice`)
  const { __metadata__: given, ...rest } = header
  const metadata = given ?? {} // null is none, as to the safetensors library
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw damaged('its __metadata__ is no map of texts')
  }
  const entries = Object.entries(rest).map(([name, value]) => toEntry(name, value, damaged))
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const entry of entries) {
    if (entry.begin !== end) throw damaged(`the bytes of '${clipped(entry.name)}' do not follow those before`)
    end = entry.end
  }
  const size = source.size - 8 - length
  if (end !== size) throw damaged(`its tensors have ${end} bytes and the file ${size}`)
  return { entries, metadata: metadata as Record<string, string>, dataStart: 8 + length }
}

function parseHeader(bytes: Uint8Array, damaged: (why: string) => SosError) {
  try {
    if (bytes[0] !== 0x7b) throw new SyntaxError('it does not begin with {')
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { text, header: parseForeignJson(text) as Record<string, unknown> }
  } catch (cause) {
    throw damaged(`its header is no JSON: ${(cause as Error).message}`)
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
      `'${clipped(name)}': there is no tensor of dtype ${JSON.stringify(clipped(dtype))} here`,
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

/** @throws `ERR_INVALID_ARGUMENT` for what is no Map of tensors by their names */
export function expectTensors(tensors: unknown): void {
  expectMap('tensors', tensors)
  for (const [name, tensor] of tensors as Map<unknown, unknown>) {
    expectText("a tensor's name", name)
    expectTensor(`'${clipped(name)}'`, tensor)
  }
}
