import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import {
  hessianTrace,
  lastLayerTrace,
  runStudy,
  ScriptModule,
  shiftOnAll,
  shiftOptimum,
  torch,
} from '../../src/index.js'
import { gaussNewtonTrace } from '../../src/sharpness/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const data = vectors(40)
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

async function plain(name: string, change: (weight: ReturnType<typeof torch.zeros>) => unknown) {
  const model = await head('Plain')
  change(model.namedParameters().get(name)!.detach())
  return model
}

const shifts: [string, (model: ScriptModule, dataset?: Dataset) => Promise<unknown>][] = [
  ['shiftOptimum', (model, dataset = data) => shiftOptimum(model, dataset, { batchSize: 4 })],
  ['shiftOptimum of the layer', (model, dataset = data) => shiftOptimum(model, dataset, { layer: 'fc' })],
  ['shiftOnAll', (model, dataset = data) => shiftOnAll(model, dataset)],
  ['runStudy', (model, dataset = data) => runStudy(model, dataset, dataset, { batchSizes: [4], draws: 1 })],
]
const traces: [string, (model: ScriptModule, dataset?: Dataset) => Promise<unknown>][] = [
  ['hessianTrace', (model, dataset = data) => hessianTrace(model, dataset, { samples: 9, probes: 2 })],
  [
    'gaussNewtonTrace',
    (model, dataset = data) => gaussNewtonTrace(model, dataset, { samples: 9, probes: 2 }),
  ],
  ['lastLayerTrace', (model, dataset = data) => lastLayerTrace(model, 'fc', dataset, { samples: 9 })],
]

/** Runs a task that must fail, and compares the weights with those before. */
async function refused(model: ScriptModule, task: Promise<unknown>, error: unknown): Promise<void> {
  const before = [...model.stateDict().values()].map((tensor) => tensor.clone())
  await expect(task).rejects.toEqual(error)
  for (const [i, tensor] of [...model.stateDict().values()].entries()) {
    expect(torch.allclose(tensor, before[i]!, { rtol: 0, atol: 0, equal_nan: true })).toBe(true)
  }
}

describe.each([...shifts, ...traces])('%s', (name, task) => {
  const isShift = shifts.some(([shift]) => shift === name)

  it('names the weights that hold NaN or infinity', async () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const kind = Number.isNaN(value) ? 'NaN' : 'infinity'
      const own = await plain('fc.weight', (weight) => weight.at(0, 1).fill_(value))
      await refused(own, task(own), refusal('ERR_NOT_FINITE', new RegExp(`'fc\\.weight' \\(${kind}\\)$`)))
      const bias = await plain('fc.bias', (weight) => weight.at(0).fill_(value))
      await refused(bias, task(bias), refusal('ERR_NOT_FINITE', new RegExp(`'fc\\.bias' \\(${kind}\\)$`)))
    }
    const hidden = await plain('hidden.bias', (bias) => bias.at(0).fill_(Number.NaN))
    await refused(hidden, task(hidden), refusal('ERR_NOT_FINITE', /'hidden\.bias' \(NaN\)$/))
  })

  it('reports images that hold NaN', async () => {
    const model = await head('Plain')
    const images: Dataset = {
      ...data,
      load: async (indices) => {
        const loaded = await data.load(indices)
        return { ...loaded, images: loaded.images.div(0).mul(0) }
      },
    }
    await refused(model, task(model, images), refusal('ERR_NOT_FINITE', /the images themselves hold NaN/))
  })

  it.runIf(isShift)('refuses a weight of zeros', async () => {
    const model = await plain('fc.weight', (weight) => weight.zero_())
    await refused(model, task(model), refusal('ERR_NOT_SHIFTABLE', /'fc'.* consists of zeros/))
  })
})

describe('a shift of rank 0', () => {
  it('is not written if the inputs of the layer are zero', async () => {
    const model = await head('Plain')
    for (const name of ['hidden.weight', 'hidden.bias']) model.namedParameters().get(name)!.detach().zero_()
    for (const [name, task] of shifts.slice(0, 3)) {
      const error = refusal(
        'ERR_SHIFT_VERIFICATION',
        /'fc' was not written: its rank is 0.* inputs are zero for all/,
      )
      expect(name).not.toBe('')
      await refused(model, task(model), error)
    }
    const study = await runStudy(model, data, data, { batchSizes: [4], draws: 2, controls: true })
    for (const row of study.rows) {
      expect(row).toMatchObject({ rank: 0, normAfter: 0, rolledBack: 'nothing of the weight would be left' })
    }
    for (const solver of ['qr', 'gram', 'pinv', 'gaussian'] as const) {
      await refused(
        model,
        shiftOptimum(model, data, { batchSize: 4, solver }),
        refusal('ERR_SHIFT_VERIFICATION', /its rank is 0/),
      )
    }
  })

  it('is not written if a policy keeps nothing', async () => {
    const model = await head('Plain')
    const policies = [
      { policy: 'fixed', rank: 0 },
      { policy: 'logits', delta: 1e6 },
    ] as const
    for (const rank of policies) {
      const error = refusal('ERR_SHIFT_VERIFICATION', /its rank is 0.*the rank policy keeps no direction/)
      await refused(model, shiftOptimum(model, data, { rank, batchSize: 4 }), error)
      await refused(model, shiftOnAll(model, data, { rank, logitBudget: 1e9 }), error)
    }
  })

  it('is that of one image whose mean is taken out', async () => {
    const model = await head('Plain')
    await refused(
      model,
      shiftOptimum(model, data, { indices: [3], bias: 'absorb' }),
      refusal('ERR_SHIFT_VERIFICATION', /its inputs, less their mean, are zero/),
    )
    expect((await shiftOptimum(model, data, { indices: [3] })).rank).toBe(1)
  })
})
