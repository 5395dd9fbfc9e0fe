import { describe, expect, it } from 'vitest'
import { ScriptModule, shiftOptimum, torch } from '../../../src/index.js'
import { linearLayers } from '../../../src/model/index.js'
import { linearLayer } from '../../../src/shift/index.js'

import { vectors } from '../../support/datasets.js'
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

  it('knows one by what it does, of no class of PyTorch and as the root, and shifts it', async () => {
    const model = await ScriptModule.load(fixture('heads.OwnLinear.pt'))
    expect(linearLayer(model)).toEqual({ path: '', inFeatures: 6, outFeatures: 3, hasBias: true })
    const before = model.namedParameters().get('weight')!.detach().clone()
    const indices = [0, 3]
    const { rank } = await shiftOptimum(model, vectors(9), { indices })
    const { images: a } = await vectors(9).load(indices)
    const projector = a.t().matmul(torch.linalg_solve(a.matmul(a.t()), a))
    const off = model.namedParameters().get('weight')!.sub(before.matmul(projector))
    expect([rank, off.abs().max().item() < 1e-12]).toEqual([2, true])
  })

  it('says so if a module has convolutions alone', async () => {
    const model = await ScriptModule.load(fixture('convolutions.scripted.pt'))
    expect(() => linearLayer(model)).toThrow(expect.objectContaining({ code: 'ERR_NO_LINEAR' }))
  })

  it.skipIf(dataRoot === undefined)(
    'knows one by what it does, whatever its class, and as the root',
    async () => {
      const model = await ScriptModule.load(`${dataRoot}/torchscript/loads/mlverse_linear.pt`)
      expect(linearLayer(model)).toEqual({ path: '', inFeatures: 10, outFeatures: 10, hasBias: true })
    },
  )

  it.skipIf(dataRoot === undefined)('says so if there is none', async () => {
    const model = await ScriptModule.load(`${dataRoot}/checkpoints/squeezenet1_0.ts.pt`)
    expect(() => linearLayer(model)).toThrow(expect.objectContaining({ code: 'ERR_NO_LINEAR' }))
  })
})
