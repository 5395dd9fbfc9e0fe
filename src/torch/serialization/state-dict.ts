import { clipped, nearest, SosError } from '../errors.js'
import type { Tensor } from '../tensor/tensor.js'
import { ByteSource } from './byte-source.js'
import { openLegacyFile } from './legacy-file.js'
import { PickledTensor, type PickleValue } from './pickle-values.js'
import { readSafetensorsFrom, writeSafetensors } from './safetensors.js'
import { writeTorchFile } from './write-torch-file.js'
import { openZipFile } from './zip-file.js'

/** Tensors by their dotted names, as `layer1.0.conv1.weight`. */
export type StateDict = Map<string, Tensor>

export interface LoadStateDictOptions {
  /** Where the file is a checkpoint that holds more than weights, the key of the weights, as `state_dict` or `model`. */
  key?: string
  /** Taken off the names that begin with it, as DataParallel's `module.`. */
  stripPrefix?: string
}

export interface SaveStateDictOptions {
  /** Default: by the name's ending, `.safetensors`, or `.pt`, `.pth` and `.bin` for torch.save's zip archive. */
  format?: 'safetensors' | 'torch'
}

/**
 * Loads weights, off the event loop: a safetensors file, or a file of torch.save's (its zip archive, and what PyTorch
 * before 1.6 wrote), told apart by their content, or the bytes of one. Nothing in the file is run, whoever made it: of a
 * pickle only tensors and plain data are read. Tensors come to the CPU; those that share memory in a torch.save file share it here.
 *
 * @throws `ERR_NOT_STATE_DICT` where the file holds something else, or more (the message lists its keys),
 * `ERR_UNSAFE_PICKLE`, `ERR_DAMAGED_FILE`, `ERR_DTYPE`, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function loadStateDict(
  path: string | Uint8Array,
  options: LoadStateDictOptions = {},
): Promise<StateDict> {
  const source = await ByteSource.open(path)
  const start = Buffer.from(await source.read(0, 9))
  const tensors = await (isSafetensors(start, source.size)
    ? readSafetensorsDict(source, options)
    : readPickledDict(source, start, options))
  const { stripPrefix = '' } = options
  if (stripPrefix === '') return tensors
  const stripped: StateDict = new Map()
  for (const [name, tensor] of tensors) {
    const short = name.startsWith(stripPrefix) ? name.slice(stripPrefix.length) : name
    if (stripped.has(short)) {
      throw new SosError(
        'ERR_NOT_STATE_DICT',
        `${source.name}: without ${stripPrefix} two tensors are '${clipped(short)}'`,
      )
    }
    stripped.set(short, tensor)
  }
  return stripped
}

/**
 * Writes weights, off the event loop, that Python reads: by `safetensors.torch.load_file`, or by
 * `torch.load(FILE, weights_only=True)`. The file is there whole, or as it was before. Tensors that share memory share it
 * in a torch.save file; safetensors has no such thing and holds each.
 *
 * @throws `ERR_INVALID_ARGUMENT` where the format is not told, `ERR_DTYPE` (complex128 has no safetensors dtype), `ERR_LAYOUT`, `ERR_OUTPUT`
 */
export async function saveStateDict(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  options: SaveStateDictOptions = {},
): Promise<void> {
  const format = options.format ?? formatOf(path)
  await (format === 'safetensors' ? writeSafetensors(path, tensors) : writeTorchFile(path, tensors))
}

function formatOf(path: string): 'safetensors' | 'torch' {
  if (/\.safetensors$/i.test(path)) return 'safetensors'
  if (/\.(pt|pth|bin)$/i.test(path)) return 'torch'
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected a name that ends in .safetensors, .pt or .pth, or a format, but received ${path}`,
  )
}

/** The first 8 bytes are the length of the header, whose first is a brace. */
function isSafetensors(start: Buffer, size: number): boolean {
  return start[8] === 0x7b && start.readBigUInt64LE(0) <= BigInt(size - 8)
}

async function readSafetensorsDict(source: ByteSource, { key }: LoadStateDictOptions): Promise<StateDict> {
  if (key !== undefined) {
    throw new SosError(
      'ERR_NOT_STATE_DICT',
      `${source.name}: a safetensors file holds tensors alone; load it without the key '${key}'`,
    )
  }
  return (await readSafetensorsFrom(source)).tensors
}

async function readPickledDict(
  source: ByteSource,
  start: Buffer,
  { key }: LoadStateDictOptions,
): Promise<StateDict> {
  const file = await (start.toString('latin1', 0, 4) === 'PK\x03\x04'
    ? openZipFile(source)
    : start[0] === 0x80
      ? openLegacyFile(source)
      : unknownFormat(source))
  const selected = select(source.name, file.value, key)
  const tensors = await file.load([...selected.values()])
  return new Map([...selected.keys()].map((name, i) => [name, tensors[i]!]))
}

async function unknownFormat(source: ByteSource): Promise<never> {
  const tar = Buffer.from(await source.read(257, 5)).toString('latin1') === 'ustar'
  throw new SosError(
    'ERR_NOT_STATE_DICT',
    tar
      ? `${source.name}: this is a tar archive, as PyTorch wrote before version 0.1.10; load it in Python and save it again`
      : `${source.name}: expected a safetensors file or one of torch.save's but this is neither, or it is damaged`,
  )
}

/** The dict of tensors in what the pickle held. */
function select(file: string, value: PickleValue, key: string | undefined): Map<string, PickledTensor> {
  if (key === undefined) return toTensors(file, value, 'the file')
  const keys = value instanceof Map ? [...value.keys()].filter((name) => typeof name === 'string') : []
  if (value instanceof Map && value.has(key)) return toTensors(file, value.get(key)!, `'${key}'`)
  const near = nearest(key, keys).map((name) => `'${name}'`)
  throw new SosError(
    'ERR_NOT_STATE_DICT',
    `${file}: it has no key '${key}'; ${near.length > 0 ? `did you mean ${near.join(', ')}? ` : ''}It holds ${contents(value)}`,
  )
}

function toTensors(file: string, value: PickleValue, what: string): Map<string, PickledTensor> {
  const tensors = new Map<string, PickledTensor>()
  const entries: [PickleValue, PickleValue][] = value instanceof Map ? [...value] : [[null, value]]
  for (const [name, element] of entries) {
    if (typeof name === 'string' && element instanceof PickledTensor) {
      tensors.set(name, element)
      continue
    }
    const inner = entries.find(([name, nested]) => typeof name === 'string' && nested instanceof Map)
    const hint =
      inner === undefined ? '' : `; load it with { key: ${shownKey(inner[0])} }, or another of these`
    throw new SosError(
      'ERR_NOT_STATE_DICT',
      `${file}: expected ${what} to hold tensors by their names but it holds ${contents(value)}${hint}`,
    )
  }
  return tensors
}

/** For messages: `a dict of 'epoch' (int), 'state_dict' (dict of 122)`. */
function contents(value: PickleValue): string {
  if (!(value instanceof Map)) return kind(value)
  const shown = [...value].slice(0, 12).map(([key, element]) => `${shownKey(key)} (${kind(element)})`)
  return `a dict of ${shown.join(', ')}${value.size > shown.length ? ` and ${value.size - shown.length} more` : ''}`
}

/** A key by itself where it is a text or a number, else its kind: what is in a container may be without end. */
function shownKey(key: PickleValue): string {
  if (typeof key === 'string') return `'${clipped(key)}'`
  return typeof key === 'number' || typeof key === 'bigint' ? clipped(String(key)) : kind(key)
}

function kind(value: PickleValue): string {
  if (value instanceof PickledTensor) return `tensor [${value.shape.join(', ')}]`
  if (value instanceof Map) return `dict of ${value.size}`
  if (Array.isArray(value)) return `list of ${value.length}`
  return value === null ? 'None' : typeof value === 'object' ? 'object' : typeof value
}
