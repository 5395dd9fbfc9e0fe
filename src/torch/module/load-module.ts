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

/** Loads a TorchScript archive from a file or its bytes. The error for another kind of file names that kind if its content shows it. */
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

/** The records with the code of autocast, which an archive contains if a forward uses `with torch.autocast(…)`. */
const autocastCode = /\/torch\/((cuda|cpu)\/)?amp\/autocast_mode(\.py|\/.*)$/

/** libtorch applies autocast inside a forward only when it optimises the graph. Calls here do not, so their results differ without an error. */
async function warnOfAutocast(opened: ByteSource | null): Promise<void> {
  // The module is loaded already: if its file has gone meanwhile, there is no warning, and no error either.
  const records = await opened?.native((from) => binding.archiveRecords(from)).catch(() => [])
  if (!records?.some(([name]) => autocastCode.test(name))) return
  process.emitWarning(
    `${opened!.name}: the code of this module turns autocast on, which has no effect here: its operators run in the dtypes of their inputs. Call the module inside torch.autocast(…), or export it without autocast`,
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
  const what = await describeFile(opened).catch(() => undefined)
  if (what === undefined) throw error
  throw new SosError(
    what === weights ? 'ERR_STATE_DICT' : 'ERR_NOT_TORCHSCRIPT',
    `${opened.name}: expected a TorchScript archive (written by torch.jit.save) but this ${what}`,
    { cause: error },
  )
}

/** libtorch's message for a constant that it could not write, such as the blocked weights of oneDNN's kernels. */
const lostConstant = "required keyword attribute 'value' is undefined"
const optimized =
  'files that torch.jit.optimize_for_inference made have this fault and do not load in Python either; save the model before it is optimised'

const weights =
  'holds weights without a model; load an export of the model, then load the weights into it: model.loadStateDict(await loadStateDict(FILE))'

/** What a file is that is not TorchScript: continues "but this …". Undefined if its content does not show it. */
async function describeFile(source: ByteSource): Promise<string | undefined> {
  const start = Buffer.from(await source.read(0, foreignFileStart))
  const foreign = foreignFile(start)
  if (foreign !== undefined) return `is ${foreign}`
  if (isSafetensors(start, source.size)) return weights
  if (start[0] === 0x80) return describePickle(await openLegacyFile(source))
  if (start.toString('latin1', 0, 4) !== 'PK\x03\x04') return undefined
  const records = await source.native((from) => binding.archiveRecords(from))
  if (isExportedProgram(records.map(([name]) => name))) return `is ${exportedProgram}`
  return describePickle(await openZipFile(source))
}

function describePickle({ value }: TorchFile): string {
  return pickledModule(value) ?? weights
}
