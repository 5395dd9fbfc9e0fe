import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { checkpointRecord, preprocessOf, ScriptModule } from '../../src/index.js'
import { demoModel, fixture, temporaryFolder } from '../support/paths.js'

describe('the record of a checkpoint', () => {
  it('tells how images are preprocessed', async () => {
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

  it('is missed, not guessed, where there is none', async () => {
    const plain = await ScriptModule.load(fixture('mlp.scripted.pt'))
    expect(checkpointRecord(plain)).toBeNull()
    expect(() => preprocessOf(plain)).toThrow(expect.objectContaining({ code: 'ERR_NO_PREPROCESS' }))
  })

  it.each([
    ['{', 'no JSON'],
    ['{}', 'version'],
    [
      '{"version":1,"architecture":"x","classes":null,"shifts":[],"preprocess":{"channels":3,"resize":-1,"interpolation":"bilinear","crop":224,"mean":[0],"std":[0]}}',
      'resize',
    ],
  ])('is refused where it is malformed: %s', async (text, message) => {
    const path = join(temporaryFolder(), 'record.pt')
    await (await ScriptModule.load(fixture('mlp.scripted.pt'))).save(path, {
      extraFiles: { 'sos.json': text },
    })
    const model = await ScriptModule.load(path)
    expect(() => checkpointRecord(model)).toThrow(message)
    expect(() => checkpointRecord(model)).toThrow(expect.objectContaining({ code: 'ERR_RECORD' }))
  })
})
