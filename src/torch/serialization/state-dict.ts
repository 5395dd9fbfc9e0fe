import { clipped, expectObject, expectText, refuseArgument, SosError } from '../../base/index.js'
import type { Tensor } from '../tensor/tensor.js'
import { ByteSource } from './byte-source.js'
import { selectTensors } from './checkpoint-contents.js'
import { foreignFile, foreignFileStart } from './foreign-file.js'
import { openLegacyFile } from './legacy-file.js'
import { expectTensors, isSafetensors, readSafetensorsFrom, writeSafetensors } from './safetensors.js'
import { writeTorchFile } from './write-torch-file.js'
import { openZipFile } from './zip-file.js'

/** Tensors by their dotted names, such as `layer1.0.conv1.weight`. */
export type StateDict = Map<string, Tensor>

/** Options of {@link loadStateDict}. */
export interface LoadStateDictOptions {
  /**
   * For a checkpoint that holds more than weights: the key of the weights, such as `state_dict`. A dot leads into a dict inside a dict, as in
   * `model.state_dict`; the items of a list have their indices as keys. Default: the file itself holds the weights.
   */
  key?: string
  /** A prefix to remove from the names that begin with it, such as `module.` of DataParallel. Default: none. */
  stripPrefix?: string
}

/** Options of {@link saveStateDict}. */
export interface SaveStateDictOptions {
  /** The format: `torch` is the zip archive of torch.save. Default: by the name of the file, `.safetensors`, or `.pt`, `.pth` and `.bin`. */
  format?: 'safetensors' | 'torch'
}

/**
 * Loads weights, off the event loop, from a safetensors file or from a file of torch.save. Both formats of torch.save are read: the zip archive,
 * and the format before PyTorch 1.6. The content of the file decides, not its name.
 *
 * Nothing in the file is executed, whoever made it. Only tensors and plain data are read from a pickle; other objects beside the weights are
 * ignored.
 *
 * @param path the path of the file, or its bytes
 * @param options the key of the weights in a checkpoint, and a prefix to remove from the names
 * @returns the tensors by their names, on the CPU; tensors that share memory in a file of torch.save share it here too
 * @throws `ERR_NOT_STATE_DICT` when the file holds something else, or more than weights (the message lists its keys); `ERR_UNSAFE_PICKLE` for a
 *   pickle that does what weights do not need; `ERR_DAMAGED_FILE`; `ERR_DTYPE`; `ERR_FILE_NOT_FOUND`; `ERR_FILE_UNREADABLE`
 * @example
 * await saveStateDict('out/example.pth', model.stateDict())
 * const weights = await loadStateDict('out/example.pth')
 * console.log(weights.get('fc.weight')?.shape)
 * // → [ 10, 256 ]
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
        `${source.name}: without the prefix ${stripPrefix} two tensors have the name '${clipped(short)}'; load it without stripPrefix`,
      )
    }
    stripped.set(short, tensor)
  }
  return stripped
}

/**
 * Writes weights, off the event loop. Python reads the file with `safetensors.torch.load_file`, or with `torch.load(FILE, weights_only=True)`. The
 * file appears complete, or what was there before stays.
 *
 * In a file of torch.save, tensors that share memory share it again when they are loaded. A safetensors file holds each of them separately.
 *
 * @param path the file to write
 * @param tensors tensors by their names, such as `model.stateDict()`
 * @param options the format
 * @throws `ERR_INVALID_ARGUMENT` when neither the name nor the options say the format; `ERR_DTYPE` for a dtype that the format does not have
 *   (safetensors has no complex128); `ERR_LAYOUT` for sparse and quantised tensors; `ERR_OUTPUT` when the file cannot be written
 * @example
 * await saveStateDict('out/example.safetensors', model.stateDict())
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
    `expected a name that ends in .safetensors, .pt, .pth or .bin, or the option format, but received ${path}`,
  )
}

async function readSafetensorsDict(source: ByteSource, { key }: LoadStateDictOptions): Promise<StateDict> {
  if (key !== undefined) {
    throw new SosError(
      'ERR_NOT_STATE_DICT',
      `${source.name}: expected a checkpoint with the key '${key}' but a safetensors file only holds tensors; load it without the key`,
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
      ? `${source.name}: expected a safetensors file or a file of torch.save but this is neither, or it is damaged`
      : `${source.name}: expected weights but this is ${foreign}`,
  )
}
