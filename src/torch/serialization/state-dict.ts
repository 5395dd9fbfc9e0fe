import { clipped, expectObject, expectText, refuseArgument, SosError } from '../../base/index.js'
import type { Tensor } from '../tensor/tensor.js'
import { ByteSource } from './byte-source.js'
import { selectTensors } from './checkpoint-contents.js'
import { foreignFile, foreignFileStart } from './foreign-file.js'
import { openLegacyFile } from './legacy-file.js'
import { expectTensors, isSafetensors, readSafetensorsFrom, writeSafetensors } from './safetensors.js'
import { writeTorchFile } from './write-torch-file.js'
import { openZipFile } from './zip-file.js'

/** Tensors by their dotted names, as `layer1.0.conv1.weight`. */
export type StateDict = Map<string, Tensor>

export interface LoadStateDictOptions {
  /**
   * Where the file is a checkpoint that holds more than weights, the key of the weights, as `state_dict`; of a dict in a dict with a dot
   * between, as `model.state_dict`, and of an item of a list its index.
   */
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
 * pickle only tensors and plain data are read, and other objects beside the weights are passed over. Tensors come to the CPU; those that share memory in a torch.save file share it here.
 *
 * @throws `ERR_NOT_STATE_DICT` where the file holds something else, or more (the message lists its keys),
 * `ERR_UNSAFE_PICKLE`, `ERR_DAMAGED_FILE`, `ERR_DTYPE`, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function loadStateDict(
  path: string | Uint8Array,
  options: LoadStateDictOptions = {},
): Promise<StateDict> {
  expectObject('options', options)
  for (const name of ['key', 'stripPrefix'] as const)
    if (options[name] !== undefined) expectText(name, options[name])
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
  expectText('path', path)
  expectTensors(tensors)
  expectObject('options', options)
  const format = options.format ?? formatOf(path)
  if (format !== 'safetensors' && format !== 'torch')
    refuseArgument("'safetensors' or 'torch'", 'format', format)
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
  const selected = selectTensors(source.name, file.value, key)
  const tensors = await file.load([...selected.values()])
  return new Map([...selected.keys()].map((name, i) => [name, tensors[i]!]))
}

async function unknownFormat(source: ByteSource): Promise<never> {
  const foreign = foreignFile(await source.read(0, foreignFileStart))
  throw new SosError(
    'ERR_NOT_STATE_DICT',
    foreign === undefined
      ? `${source.name}: expected a safetensors file or one of torch.save's but this is neither, or it is damaged`
      : `${source.name}: expected weights but this is ${foreign}`,
  )
}
