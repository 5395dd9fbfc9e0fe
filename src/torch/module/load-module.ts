import { resolve } from 'node:path'
import { expectText, refuseArgument, SosError } from '../../base/index.js'
import { onLane } from '../context/lane.js'
import { binding } from '../native/binding.js'
import type { ModuleHandle, TensorHandle } from '../native/handles.js'
import { ByteSource } from '../serialization/byte-source.js'
import { pickledModule } from '../serialization/checkpoint-contents.js'
import {
  exportedProgram,
  foreignFile,
  foreignFileStart,
  isExportedProgram,
} from '../serialization/foreign-file.js'
import { openLegacyFile } from '../serialization/legacy-file.js'
import { isSafetensors } from '../serialization/safetensors.js'
import type { TorchFile } from '../serialization/torch-file.js'
import { openZipFile } from '../serialization/zip-file.js'

/** Loads a TorchScript archive, a file or its bytes. What is none is told by its name where its content tells it. */
export async function loadModule(source: string | Uint8Array, device: string): Promise<ModuleHandle> {
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
    refuseArgument('a path or a Uint8Array', 'source', source)
  }
  expectText('device', device)
  const load = (from: string | TensorHandle) => binding.loadModule(from, device)
  const bytes = typeof source === 'string' ? null : ByteSource.over(source)
  const loading = bytes === null ? onLane(() => load(resolve(source as string))) : bytes.native(load)
  const handle = await loading.catch((error) => explain(error, source))
  await warnOfAutocast(bytes ?? (await ByteSource.open(source).catch(() => null)))
  return handle
}

/** The code of `with torch.autocast(…)` in a forward. */
const autocastCode = /\/torch\/((cuda|cpu)\/)?amp\/autocast_mode(\.py|\/.*)$/

/** libtorch casts in such a forward only where it optimises it, which calls here do not: they would give another result without a word. */
async function warnOfAutocast(opened: ByteSource | null): Promise<void> {
  // The module is loaded: a file that was taken away since can no longer tell, and is no error.
  const records = await opened?.native((from) => binding.archiveRecords(from)).catch(() => [])
  if (!records?.some(([name]) => autocastCode.test(name))) return
  process.emitWarning(
    `${opened!.name}: its code turns autocast on, which calls here do not: its operators run in the dtypes of their inputs. Call it inside torch.autocast(…), or export it without`,
    { code: 'SOS_AUTOCAST' },
  )
}

async function explain(error: SosError, source: string | Uint8Array): Promise<never> {
  if (error.code !== 'ERR_NOT_TORCHSCRIPT' && error.code !== 'ERR_STATE_DICT') throw error
  if (error.message.includes(lostConstant))
    throw new SosError(error.code, `${error.message}; ${optimized}`, { cause: error })
  const opened = await ByteSource.open(source).catch(() => {
    throw error
  })
  const what = await whatElse(opened).catch(() => undefined)
  if (what === undefined) throw error
  throw new SosError(
    what === weights ? 'ERR_STATE_DICT' : 'ERR_NOT_TORCHSCRIPT',
    `${opened.name}: expected a TorchScript archive (written by torch.jit.save) but this ${what}`,
    { cause: error },
  )
}

/** What libtorch says of a constant that it does not know how to write, as the blocked weights of oneDNN's kernels. */
const lostConstant = "required keyword attribute 'value' is undefined"
const optimized =
  'a file of torch.jit.optimize_for_inference is such a one: it does not load, in Python neither; save the model as it was before'

const weights =
  'holds weights without a model; load an export of the model, then give it the weights: model.loadStateDict(await loadStateDict(FILE))'

async function whatElse(source: ByteSource): Promise<string | undefined> {
  const start = Buffer.from(await source.read(0, foreignFileStart))
  const foreign = foreignFile(start)
  if (foreign !== undefined) return `is ${foreign}`
  if (isSafetensors(start, source.size)) return weights
  if (start[0] === 0x80) return whatPickle(await openLegacyFile(source))
  if (start.toString('latin1', 0, 4) !== 'PK\x03\x04') return undefined
  const records = await source.native((from) => binding.archiveRecords(from))
  if (isExportedProgram(records.map(([name]) => name))) return `is ${exportedProgram}`
  return whatPickle(await openZipFile(source))
}

function whatPickle({ value }: TorchFile): string {
  return pickledModule(value) ?? weights
}
