import { expectOtherFile } from '../base/index.js'
import type { Preprocess } from '../data/index.js'
import { checkedPreprocess } from '../data/internal.js'
import { type CheckpointRecord, checkpointRecord } from '../model/index.js'
import { recordFile } from '../model/internal.js'
import type { ScriptModule } from '../torch/index.js'
import type { ShiftRecord } from './shift-record.js'

/**
 * Saves a shifted model with a record of the shift, or of several, in its `sos.json`: what was done to it, and how its images are
 * preprocessed. The batch's indices are left out: dataset, size, sampling and seed tell them.
 *
 * @param from.classes the names of the outputs, for a model that tells none
 * @throws `ERR_SAME_FILE` where that is the file that the model was loaded from, `ERR_OUTPUT`
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
  const told = [shifts].flat().map(({ indices: _, ...shift }) => ({
    method: 'stochastic optimum shifting',
    dataset: from.dataset,
    ...shift,
  }))
  const classes = known.classes ?? (from.classes ? [...from.classes] : null)
  const record: CheckpointRecord = { ...known, classes, shifts: [...known.shifts, ...told] }
  await model.save(path, { extraFiles: { [recordFile]: JSON.stringify(record) } })
}
