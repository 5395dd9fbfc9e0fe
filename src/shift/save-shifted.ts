import { expectOtherFile } from '../base/index.js'
import type { Preprocess } from '../data/index.js'
import { checkedPreprocess } from '../data/internal.js'
import { type CheckpointRecord, checkpointRecord } from '../model/index.js'
import { recordFile } from '../model/internal.js'
import type { ScriptModule } from '../torch/index.js'
import type { ShiftRecord } from './shift-record.js'

/**
 * Saves a shifted model as TorchScript. Its `sos.json` records what was done to it and how its images are preprocessed.
 * The samples of the batch are left out of it: the dataset, the size, the sampling and the seed determine them.
 *
 * @param model the shifted model
 * @param path the file to write
 * @param shifts the record of the shift, or the records of several. They are added to those that the model already
 *   carries
 * @param from what the shift was made from
 * @param from.dataset the name of the dataset
 * @param from.preprocess how the images were preprocessed; used if the model carries no record of its own
 * @param from.classes the names of the model's outputs; used if the model does not carry them
 * @throws `ERR_SAME_FILE` if `path` is the file that the model was loaded from; `ERR_OUTPUT` if the file cannot be
 *   written
 * @example
 * const shift = await shiftOptimum(model, train, { batchSize: 60 })
 * await saveShifted(model, 'out/doc-shifted.pt', shift, { dataset: train.name, preprocess })
 * console.log(checkpointRecord(await ScriptModule.load('out/doc-shifted.pt'))!.shifts.length) // → 1
 */
export async function saveShifted(
  model: ScriptModule,
  path: string,
  shifts: ShiftRecord | readonly ShiftRecord[],
  from: { dataset: string; preprocess: Preprocess; classes?: readonly string[] },
): Promise<void> {
  if (model.path !== '') expectOtherFile(path, [model.path])
  const known: CheckpointRecord = checkpointRecord(model) ?? {
    version: 1,
    architecture: model.modules()[0]!.type,
    preprocess: checkedPreprocess(from.preprocess),
    classes: null,
    shifts: [],
  }
  const records = [shifts].flat().map(({ indices: _, ...shift }) => ({
    method: 'stochastic optimum shifting',
    dataset: from.dataset,
    ...shift,
  }))
  const classes = known.classes ?? (from.classes ? [...from.classes] : null)
  const record: CheckpointRecord = { ...known, classes, shifts: [...known.shifts, ...records] }
  await model.save(path, { extraFiles: { [recordFile]: JSON.stringify(record) } })
}
