import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkpointRecord, preprocessOf, presets, ScriptModule } from '../../src/index.js'

import { demoModel, fixture, temporaryFolder } from '../support/paths.js'

describe('the record of a checkpoint', () => {
  it('reports how images are preprocessed', async () => {
    const model = await ScriptModule.load(demoModel)
    expect(checkpointRecord(model)!.architecture).toBe('fashion-resnet')
    expect(preprocessOf(model)).toEqual({
      channels: 1,
      resize: null,
      interpolation: 'bilinear',
      crop: null,
      mean: [0.286],
      std: [0.353],
    })
    expect(preprocessOf(model, 'resnet50').resize).toBe(256)
  })

  it('is missed, not guessed, if there is none', async () => {
    const plain = await ScriptModule.load(fixture('mlp.scripted.pt'))
    expect(checkpointRecord(plain)).toBeNull()
    expect(() => preprocessOf(plain)).toThrow(expect.objectContaining({ code: 'ERR_NO_PREPROCESS' }))
  })

  it('gives way to changes, which may say everything if there is none', async () => {
    const [plain, model] = [
      await ScriptModule.load(fixture('mlp.scripted.pt')),
      await ScriptModule.load(demoModel),
    ]
    expect(preprocessOf(model, undefined, { mean: [0.5] })).toEqual({ ...preprocessOf(model), mean: [0.5] })
    expect(preprocessOf(model, 'resnet50', { crop: null, interpolation: 'bicubic' })).toEqual({
      ...presets.resnet50,
      crop: null,
      interpolation: 'bicubic',
    })
    const nothing = { resize: undefined, crop: undefined, mean: undefined, std: undefined }
    expect(preprocessOf(model, 'resnet50', nothing as object)).toEqual(presets.resnet50)
    const all = { resize: null, crop: 28, mean: [0.1, 0.2, 0.3], std: [1, 1, 1] }
    expect(preprocessOf(plain, undefined, all)).toEqual({ channels: 3, interpolation: 'bilinear', ...all })
    const { std: _, ...without } = all
    expect(() => preprocessOf(plain, undefined, without)).toThrow(/or give --std$/)
    for (const changes of [{ mean: [0, 0, 0] }, { std: [0] }, { crop: 0 }, { mean: [0, 0], std: [1, 1] }]) {
      expect(() => preprocessOf(model, undefined, changes)).toThrow(
        expect.objectContaining({ code: 'ERR_PREPROCESS' }),
      )
    }
  })

  it.each([
    ['{', 'not valid JSON'],
    ['{}', 'version'],
    [
      '{"version":1,"architecture":"x","classes":null,"shifts":[],"preprocess":{"channels":3,"resize":-1,"interpolation":"bilinear","crop":224,"mean":[0],"std":[0]}}',
      'resize',
    ],
  ])('is refused if it is malformed: %s', async (text, message) => {
    const path = join(temporaryFolder(), 'record.pt')
    await (await ScriptModule.load(fixture('mlp.scripted.pt'))).save(path, {
      extraFiles: { 'sos.json': text },
    })
    const model = await ScriptModule.load(path)
    expect(() => checkpointRecord(model)).toThrow(message)
    expect(() => checkpointRecord(model)).toThrow(expect.objectContaining({ code: 'ERR_RECORD' }))
  })
})
