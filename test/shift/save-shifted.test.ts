import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  checkpointRecord,
  type Preprocess,
  ScriptModule,
  saveShifted,
  shiftOptimum,
} from '../../src/index.js'

import { vectors } from '../support/datasets.js'
import { fixture, temporaryFolder } from '../support/paths.js'

const preprocess: Preprocess = {
  channels: 1,
  resize: 6,
  interpolation: 'bilinear',
  crop: 6,
  mean: [0.5],
  std: [0.25],
}
const shift = (model: ScriptModule, seed: number) => shiftOptimum(model, vectors(40), { batchSize: 3, seed })

describe('saveShifted', () => {
  it('begins a record for a model that has none, and continues with it', async () => {
    const folder = temporaryFolder()
    const [first, second] = [join(folder, 'first.pt'), join(folder, 'second.pt')]
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const { indices: _, ...one } = await shift(model, 1)
    const from = { dataset: 'vectors', preprocess, classes: ['a', 'b', 'c'] }
    await saveShifted(model, first, { ...one, indices: [1, 2, 3] }, from)
    const saved = await ScriptModule.load(first)
    const told = { method: 'stochastic optimum shifting', dataset: 'vectors', ...one }
    const begun = { version: 1, architecture: model.modules()[0]!.type, preprocess, classes: ['a', 'b', 'c'] }
    expect(checkpointRecord(saved)).toEqual({ ...begun, shifts: [told] })

    const more = [await shift(saved, 2), await shift(saved, 3)]
    // The model's own record has priority.
    const other = { dataset: 'others', preprocess: { ...preprocess, crop: 3 }, classes: ['x', 'y', 'z'] }
    await saveShifted(saved, second, more, other)
    const later = more.map(({ indices: _, ...record }) => ({
      method: 'stochastic optimum shifting',
      dataset: 'others',
      ...record,
    }))
    expect(checkpointRecord(await ScriptModule.load(second))).toEqual({ ...begun, shifts: [told, ...later] })
    await expect(saveShifted(saved, first, more, other)).rejects.toMatchObject({ code: 'ERR_SAME_FILE' })
  })

  it('leaves the classes open if nobody names them', async () => {
    const path = join(temporaryFolder(), 'shifted.pt')
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    await saveShifted(model, path, [], { dataset: 'vectors', preprocess })
    expect(checkpointRecord(await ScriptModule.load(path))).toMatchObject({ classes: null, shifts: [] })
  })
})
