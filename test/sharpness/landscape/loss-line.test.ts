import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset } from '../../../src/data/index.js'
import { cifar10, idxFolder, preprocessOf, ScriptModule, shiftOptimum, subset } from '../../../src/index.js'
import { lossLine } from '../../../src/sharpness/index.js'
import { torch } from '../../../src/torch/index.js'
import { cifar10Folder } from '../../support/cifar10.js'
import { vectors } from '../../support/datasets.js'
import { dataRoot, demoModel, fashionMnist, fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'

/** The preprocessing of the checkpoints of CIFAR-10. */
const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
const recipe = { channels: 3, resize: null, interpolation: 'bilinear', crop: null, ...imagenet } as const

let model: ScriptModule
let train: Dataset
beforeAll(async () => {
  model = await ScriptModule.load(demoModel)
  train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
})

/** Saves the demo's network with changed weights. */
async function saved(change: (network: ScriptModule) => unknown): Promise<string> {
  const network = await ScriptModule.load(demoModel)
  await torch.noGrad(async () => change(network))
  const file = join(temporaryFolder(), 'changed.pt')
  await network.save(file)
  return file
}

function expectLine(
  found: { loss: readonly (number | null)[]; accuracy: readonly (number | null)[] },
  expected: { loss: number[]; accuracy: number[] },
) {
  const differences = found.loss.map(
    (loss, i) => Math.abs(loss! - expected.loss[i]!) / Math.max(1, expected.loss[i]!),
  )
  expect(Math.max(...differences)).toBeLessThan(1e-5)
  expect(found.accuracy).toEqual(expected.accuracy.map((value) => expect.closeTo(value, 9)))
}

describe('lossLine', () => {
  it("has PyTorch's losses for all parameters and buffers", async () => {
    const file = await saved((network) => {
      for (const parameter of network.parameters()) parameter.mul_(0.9)
      for (const [name, buffer] of network.namedBuffers()) if (/running/.test(name)) buffer.mul_(1.2)
    })
    const other = await ScriptModule.load(file)
    const found = await lossLine(model, other, train, { points: 5, samples: 40, chunk: 16 })
    expect(found.sharedFeatures).toBe(false)
    const { indices, t } = found
    const images = { folder: fashionMnist, indices }
    expectLine(found, await reference('loss_line', { models: [demoModel, file], t, ...images }))
    expect(found.ends.map(({ loss }) => loss)).toEqual([found.loss[1], found.loss[3]])
  })

  it("has PyTorch's losses between two last layers", async () => {
    const file = await saved((network) => shiftOptimum(network, train, { batchSize: 30, bias: 'augment' }))
    const found = await lossLine(model, await ScriptModule.load(file), train, { points: 7, samples: 40 })
    expect(found.sharedFeatures).toBe(true)
    const { indices, t } = found
    const images = { folder: fashionMnist, indices }
    expectLine(found, await reference('loss_line', { models: [demoModel, file], t, ...images }))
  })

  it.skipIf(dataRoot === undefined).each([
    ['the demo', demoModel],
    ['ResNet-20', `${dataRoot}/checkpoints/resnet20.ts.pt`],
  ])(
    'of a shift is constant on its batch: %s',
    async (name, path) => {
      const before = await ScriptModule.load(path)
      const after = await ScriptModule.load(path)
      const folder = name === 'the demo' ? null : await cifar10Folder()
      if (name !== 'the demo' && folder === null) return
      const data = folder === null ? train : await cifar10(folder, 'train', recipe)
      const shift = await shiftOptimum(after, data, {
        batchSize: 50,
        rank: { policy: 'tolerance', tolerance: 1e-6 },
      })
      const batch = subset(data, shift.indices)
      const { loss, sharedFeatures } = await lossLine(before, after, batch, { points: 11 })
      expect(sharedFeatures).toBe(true)
      const values = loss as number[]
      expect(Math.max(...values) - Math.min(...values)).toBeLessThan(1e-6)
      expect(values[0]).toBeGreaterThan(1e-3) // so that it is not constant at 0
      const others = (await lossLine(before, after, data, { points: 11, samples: 200 })).loss as number[]
      expect(Math.max(...others) - Math.min(...others)).toBeGreaterThan(1e-5)
    },
    60_000,
  )

  it('says null where the loss is not a number', async () => {
    const file = await saved((network) => void network.namedParameters().get('conv1.weight')!.mul_(1e38))
    const { loss, ends } = await lossLine(model, await ScriptModule.load(file), train, {
      points: 3,
      samples: 8,
    })
    expect(ends[0].loss).toBeGreaterThan(0)
    expect(loss.at(-1)).toBe(null)
  })

  it('refuses models that differ in shape, and wrong numbers', async () => {
    const other = await ScriptModule.load(fixture('mlp.scripted.pt'))
    await expect(lossLine(model, other, train)).rejects.toMatchObject({ code: 'ERR_STATE_DICT_MISMATCH' })
    await expect(lossLine(other, other, vectors(5), { points: 1 })).rejects.toThrow('from 2 to')
    await expect(lossLine(other, other, vectors(5), { range: -1 })).rejects.toThrow('at least 0')
    const same = await lossLine(other, other, vectors(5), { range: 0, points: 3 })
    expect(same.t).toEqual([0, 0.5, 1])
    expect(new Set(same.loss).size).toBe(1)
  })
})
