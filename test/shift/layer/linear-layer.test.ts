import { describe, expect, it } from 'vitest'

import { linearLayer, linearLayers, ScriptModule } from '../../../src/index.js'
import { dataRoot, fixture } from '../../support/paths.js'

describe('linearLayer', () => {
  it.each([
    ['resnet18.scripted', 'fc', 512, 10],
    ['resnet18.traced', 'fc', 512, 10],
    ['shufflenet_v2_x1_0.traced', 'fc', 1024, 10],
    ['mlp.scripted', '2', 8, 3],
  ])('finds the last one of %s', async (name, path, inFeatures, outFeatures) => {
    const layer = linearLayer(await ScriptModule.load(fixture(`${name}.pt`)))
    expect(layer).toEqual({ path, inFeatures, outFeatures, hasBias: true })
  })

  it('lists them in the order of their calls', async () => {
    const model = await ScriptModule.load(fixture('hooks.scripted.pt'))
    expect(linearLayers(model).map(({ path }) => path)).toEqual([
      'left.linear',
      'right.linear',
      'twice.linear',
      'pair.linear',
      'join.linear',
      'branch.linear',
      'loop.linear',
      'fc',
    ])
  })

  it.skipIf(dataRoot === undefined)(
    'knows one by what it does, whatever its class, and as the root',
    async () => {
      const model = await ScriptModule.load(`${dataRoot}/torchscript/loads/mlverse_linear.pt`)
      expect(linearLayer(model)).toEqual({ path: '', inFeatures: 10, outFeatures: 10, hasBias: true })
    },
  )

  it.skipIf(dataRoot === undefined)('says so where there is none', async () => {
    const model = await ScriptModule.load(`${dataRoot}/checkpoints/squeezenet1_0.ts.pt`)
    expect(() => linearLayer(model)).toThrow(expect.objectContaining({ code: 'ERR_NO_LINEAR' }))
  })
})
