import { describe, expect, it } from 'vitest'
import { hessianTrace, idxFolder, lastLayerTrace, preprocessOf, ScriptModule } from '../../../src/index.js'

import { vectors } from '../../support/datasets.js'
import { demoModel, fashionMnist, fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'

const nine = vectors(9)
const file = (name: string) => fixture(`curvature.${name}.pt`)
const lastLayers = { relu: '5', residual: 'fc', gelu: '4' }

describe('lastLayerTrace', () => {
  it("is the layer's part of the dense Hessian, of curved networks too", async () => {
    const cases = Object.entries(lastLayers).map(([name, last]) => ({ model: file(name), last }))
    const dense = await reference('gauss_newton', { shape: [9, 6], seed: 7, classes: 3, cases })
    for (const [i, { model: path, last }] of cases.entries()) {
      const model = (await ScriptModule.load(path)).train()
      for (const chunk of [128, 4]) {
        const { trace, size, samples } = await lastLayerTrace(model, last, nine, { chunk })
        expect([size, samples]).toEqual([27, 9]) // 3 outputs of 8 inputs and a bias
        expect(Math.abs(trace / dense[i].lastLayer - 1)).toBeLessThan(1e-10)
      }
      expect(model.training).toBe(true)
    }
  })

  it('takes the samples that the other traces take', async () => {
    const model = await ScriptModule.load(demoModel)
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const { indices, size, samples } = await lastLayerTrace(model, 'fc', train, { samples: 20, seed: 3 })
    expect((await hessianTrace(model, train, { samples: 20, seed: 3, probes: 2 })).indices).toEqual(indices)
    expect([size, samples]).toEqual([2570, 20])
  })

  it('refuses what is no dataset, and layers that are not the last', async () => {
    const code = expect.objectContaining({ code: 'ERR_NOT_LAST' })
    const model = await ScriptModule.load(file('relu'))
    await expect(lastLayerTrace(model, '5', 5 as never)).rejects.toThrow('for dataset but received 5')
    await expect(lastLayerTrace(model, '3', nine)).rejects.toEqual(code)
    await expect(lastLayerTrace(model, '1', nine)).rejects.toEqual(code)
    const scaled = await ScriptModule.load(fixture('heads.Scaled.pt'))
    await expect(lastLayerTrace(scaled, 'fc', vectors(6))).rejects.toThrow('comes after it')
  })
})
