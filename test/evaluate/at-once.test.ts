import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import type { Evaluation } from '../../src/evaluate/index.js'
import {
  captureInputs,
  evaluate,
  evaluateAll,
  hessianTrace,
  idxFolder,
  preprocessOf,
  ScriptModule,
  shiftLayers,
  shiftOnAll,
  shiftOptimum,
  subset,
  torch,
} from '../../src/index.js'
import { gaussNewtonTrace } from '../../src/sharpness/index.js'
import { linearLayer } from '../../src/shift/index.js'

import { vectors } from '../support/datasets.js'
import { demoModel, fashionMnist, fixture } from '../support/paths.js'

const busy = expect.objectContaining({ code: 'ERR_BUSY' })
const load = () => ScriptModule.load(demoModel)
const noisy = () => ScriptModule.load(fixture('modes.noisy.pt'))
const weightOf = (model: ScriptModule) => model.namedParameters().get('fc.weight')!
const valuesOf = (model: ScriptModule) =>
  new Map([...model.stateDict()].map(([name, tensor]) => [name, tensor.clone()]))

function expectSame(model: ScriptModule, values: ReadonlyMap<string, ReturnType<typeof weightOf>>) {
  for (const [name, tensor] of model.stateDict())
    expect(torch.equal(tensor, values.get(name)!), name).toBe(true)
}

let data: Dataset
beforeAll(async () => {
  const test = await idxFolder(fashionMnist, 'test', preprocessOf(await load()))
  data = subset(test, [...Array(120).keys()])
})

/** A dataset that calls `between` before each batch but the first. */
function interrupted(dataset: Dataset, between: (batch: number) => unknown): Dataset {
  let batch = 0
  return {
    ...dataset,
    load: async (indices) => {
      const loaded = await dataset.load(indices)
      if (batch > 0) await between(batch)
      batch++
      return loaded
    },
  }
}

describe.each([true, false])('evaluations of a model in train mode, optimised: %s', (optimize) => {
  it('are right at once, leave the statistics, and leave it in train mode', async () => {
    const options = { chunk: 16, optimize }
    const expected = await evaluate((await load()).eval(), data, options)
    const model = (await load()).train()
    const before = valuesOf(model)
    const other = ScriptModule.fromShared(model.share())
    const evaluations: Promise<Evaluation | Evaluation[]>[] = [
      evaluate(model, data, options),
      evaluate(other, data, { ...options, chunk: 50 }),
      evaluateAll([model, other, model], data, options),
    ]
    const [first, second, all] = await Promise.all(evaluations)
    for (const evaluation of [first!, second!, all!].flat()) {
      expect(evaluation.top1).toBe(expected.top1)
      expect(Math.abs(evaluation.loss - expected.loss)).toBeLessThan(1e-5)
    }
    expect(model.training).toBe(true)
    expectSame(model, before)
  })

  it('are right if one fails, is aborted, or begins as another ends', async () => {
    const model = (await load()).train()
    const options = { chunk: 16, optimize }
    const expected = await evaluate(model, data, options)
    const controller = new AbortController()
    const failing = interrupted(data, () => {
      throw new Error('a disk that fails')
    })
    const aborting = interrupted(data, () => controller.abort(new Error('enough')))
    const runs = await Promise.allSettled([
      evaluate(model, failing, options),
      evaluate(model, aborting, { ...options, signal: controller.signal }),
      evaluate(model, data, { ...options, chunk: 30 }).then(() => evaluate(model, data, options)),
      evaluate(model, data, options),
    ])
    expect(runs.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled'])
    for (const run of runs) {
      if (run.status === 'fulfilled') expect(run.value).toEqual(expected)
    }
    expect(model.training).toBe(true)
  })
})

describe('an evaluation', () => {
  it('keeps the modes of parts', async () => {
    const model = (await load()).train()
    model.submodule('layer1').eval()
    await evaluate(model, data, { limit: 8 })
    expect([model.training, model.submodule('layer1').training, model.submodule('layer2').training]).toEqual([
      true,
      false,
      true,
    ])
  })

  it('is of the weights at its call, whatever is written to them then', async () => {
    const model = (await load()).eval()
    const expected = await evaluate(model, data, { chunk: 16 })
    const changing = interrupted(data, () => torch.noGrad(() => weightOf(model).zero_()))
    expect(await evaluate(model, changing, { chunk: 16 })).toEqual(expected)
    expect((await evaluate(model, data, { chunk: 16 })).loss).not.toBe(expected.loss)
  })

  it('of a model that runs as it is is refused if a weight is written to', async () => {
    const model = (await load()).eval()
    const changing = interrupted(data, (batch) => batch === 2 && torch.noGrad(() => weightOf(model).mul_(2)))
    await expect(evaluate(model, changing, { chunk: 16, optimize: false })).rejects.toEqual(busy)
  })

  it('of a hooked model is refused if a weight is written to, and right else', async () => {
    const model = (await load()).train()
    using _hook = model.registerForwardHook('layer1', () => {})
    const changing = interrupted(data, () => torch.noGrad(() => weightOf(model).mul_(2)))
    await expect(evaluate(model, changing, { chunk: 16 })).rejects.toEqual(busy)
    const pair = await Promise.all([1, 2].map(() => evaluate(model, data, { chunk: 16 })))
    expect(pair[0]).toEqual(pair[1])
    expect(model.training).toBe(true)
  })
})

describe('shifts', () => {
  const options = { batchSize: 30, seed: 1, chunk: 8 }

  it('and an evaluation at once are those of each alone', async () => {
    const alone = await load()
    const expected = await evaluate(alone, data, { chunk: 16 })
    const { milliseconds: _, ...record } = await shiftOptimum(alone, data, options)
    const model = (await load()).eval()
    const evaluation = evaluate(model, data, { chunk: 16 })
    // The evaluation's copy is made when its first batch is asked for, at the latest.
    const { milliseconds: __, ...shift } = await shiftOptimum(model, data, options)
    expect(await evaluation).toEqual(expected)
    expect(shift).toEqual(record)
    expect(torch.equal(weightOf(model), weightOf(alone))).toBe(true)
  })

  it('are refused, the model as it was, if an evaluation of the model itself still continues', async () => {
    const model = (await load()).train()
    const before = valuesOf(model)
    const expected = await evaluate(model, data, { chunk: 2, optimize: false })
    const evaluation = evaluate(model, data, { chunk: 2, optimize: false })
    await expect(shiftOptimum(model, data, { batchSize: 4 })).rejects.toEqual(busy)
    await expect(shiftOnAll(model, subset(data, [1, 2, 3]))).rejects.toEqual(busy)
    await expect(shiftLayers(model, data, ['fc'], { batchSize: 4 })).rejects.toEqual(busy)
    expect(await evaluation).toEqual(expected)
    expectSame(model, before)
    expect(model.training).toBe(true)
    await shiftOptimum(model, data, { batchSize: 4 })
  })

  it('at once: what is written is that of one alone, the others are refused', async () => {
    const model = (await load()).train()
    const before = valuesOf(model)
    const seeds = [1, 2, 3, 4]
    const runs = await Promise.allSettled(
      seeds.map((seed) => shiftOptimum(model, data, { ...options, seed, chunk: 4 + seed })),
    )
    const done = seeds.filter((_, i) => runs[i]!.status === 'fulfilled')
    expect(done).toHaveLength(1)
    for (const run of runs) if (run.status === 'rejected') expect(run.reason).toEqual(busy)
    const alone = await load()
    const record = await shiftOptimum(alone, data, { ...options, seed: done[0]!, chunk: 4 + done[0]! })
    before.set('fc.weight', weightOf(alone))
    expectSame(model, before)
    expect((runs[done[0]! - 1] as PromiseFulfilledResult<typeof record>).value.normAfter).toBe(
      record.normAfter,
    )
    expect(model.training).toBe(true)
  })

  it('are refused if a weight is written to between their batch and their write', async () => {
    const model = (await load()).eval()
    const first = model.namedParameters().get('conv1.weight')!
    const changing = interrupted(data, (batch) => batch === 2 && torch.noGrad(() => first.mul_(1.5)))
    const weight = weightOf(model).clone()
    await expect(shiftOptimum(model, changing, options)).rejects.toThrow("'conv1.weight' was written to")
    expect(torch.equal(weightOf(model), weight)).toBe(true)
    await expect(captureInputs(model, linearLayer(model), changing, [1, 2], {})).resolves.toBeDefined()
  })

  it('of a model whose calls write to its buffers are not in their own way', async () => {
    const model = await ScriptModule.load(fixture('modes.counting.pt'))
    const record = await shiftOptimum(model, vectors(40), { layer: 'fc', batchSize: 4, chunk: 2, heldOut: 5 })
    expect(record.rank).toBe(4)
  })
})

describe('traces', () => {
  it('at once, of a model in train mode, are those of it alone in eval mode', async () => {
    const options = { samples: 24, probes: 3, chunk: 10 }
    const eager = (await noisy()).eval()
    const expected = [
      await hessianTrace(eager, vectors(30), options),
      await gaussNewtonTrace(eager, vectors(30), options),
    ]
    const model = (await noisy()).train()
    const before = valuesOf(model)
    const traces = await Promise.all([
      hessianTrace(model, vectors(30), options),
      gaussNewtonTrace(model, vectors(30), options),
    ])
    expect(traces).toEqual(expected)
    expectSame(model, before)
    expect(model.training).toBe(true)
  })
})
