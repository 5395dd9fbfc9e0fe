import { describe, expect, it } from 'vitest'
import {
  evaluate,
  evaluateDuringTraining,
  probeDuringTraining,
  ScriptModule,
  sampleIndices,
  sgd,
  sosDuringTraining,
  subset,
  Trainer,
} from '../../../src/index.js'
import type { EpochProbe, ShiftEvent, TrainerOptions } from '../../../src/train/index.js'
import { seedAt } from '../../../src/train/seeds.js'

import { vectors } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'

const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const options = {
  data: vectors(40),
  epochs: 5,
  batchSize: 20,
  optimizer: sgd({ learningRate: 0.05, momentum: 0.5 }),
}
const trainer = async (more: Partial<TrainerOptions> = {}) =>
  new Trainer(await load(), { ...options, ...more })
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

/** The epochs in which an event comes. */
async function epochsOf(one: Trainer, name: 'evaluation' | 'probe' | 'shift'): Promise<number[]> {
  const epochs: number[] = []
  one.on(name, ({ epoch }: { epoch: number }) => void epochs.push(epoch))
  await one.run()
  return epochs
}

describe('what comes every few epochs', () => {
  it.each([
    [undefined, [0, 1, 2, 3, 4]],
    [2, [1, 3, 4]],
    [5, [4]],
    [9, [4]],
  ])('comes after each, and after the last: every %s', async (everyEpochs, epochs) => {
    const given = everyEpochs === undefined ? {} : { everyEpochs }
    expect(
      await epochsOf((await trainer()).use(evaluateDuringTraining(vectors(9), given)), 'evaluation'),
    ).toEqual(epochs)
    const probes = probeDuringTraining({ ...given, probes: 0, collapse: false, samples: 9 })
    expect(await epochsOf((await trainer()).use(probes), 'probe')).toEqual(epochs)
  })

  it.each([
    [{}, [0, 1, 2, 3, 4]],
    [{ startEpoch: 2 }, [2, 3, 4]],
    [{ everyEpochs: 2 }, [0, 2, 4]],
    [{ everyEpochs: 3, startEpoch: 1 }, [1, 4]],
    [{ startEpoch: 9 }, []],
  ])('a shift comes before: %j', async (given, epochs) => {
    expect(
      await epochsOf((await trainer()).use(sosDuringTraining({ batchSize: 4, ...given })), 'shift'),
    ).toEqual(epochs)
  })
})

describe('a shift in training', () => {
  it('draws by its own seed, or the run’s, and the epoch, and is told with its options', async () => {
    for (const [more, seed] of [
      [{}, 6],
      [{ seed: 11 }, 11],
      [{ seed: 0 }, 0],
    ] as const) {
      const one = await trainer({ seed: 6, epochs: 2 })
      one.use(sosDuringTraining({ batchSize: 4, heldOut: 5, sampling: 'uniform', bias: 'absorb', ...more }))
      const shifts: ShiftEvent[] = []
      one.on('shift', (event) => void shifts.push(event))
      await one.run()
      for (const [epoch, { shift, momentum }] of shifts.entries()) {
        const own = seedAt(seed, 'shift', epoch)
        expect(shift.indices).toEqual(
          sampleIndices(options.data, { size: 4, sampling: 'uniform', seed: own }),
        )
        expect(shift).toMatchObject({
          seed: own,
          bias: 'absorb',
          sampling: 'uniform',
          certificate: { samples: 5 },
        })
        expect(momentum).toBe('keep')
      }
      expect(shifts).toHaveLength(2)
    }
  })

  it('refuses invalid options', () => {
    for (const [given, name] of [
      [{ everyEpochs: 0 }, /everyEpochs/],
      [{ startEpoch: -1 }, /startEpoch/],
      [{ chunk: 0 }, /chunk/],
    ] as const)
      expect(() => sosDuringTraining(given)).toThrow(refusal('ERR_INVALID_ARGUMENT', name))
    expect(() => sosDuringTraining({ rank: { policy: 'fixed', rank: -1 } })).toThrow(
      refusal('ERR_RANK_POLICY', /rank/),
    )
    expect(() => sosDuringTraining(5 as never)).toThrow(refusal('ERR_INVALID_ARGUMENT', /options/))
  })
})

describe('an evaluation in training', () => {
  it('is that of evaluate with the same options', async () => {
    const one = await trainer({ epochs: 1 })
    const data = vectors(33)
    one.use(evaluateDuringTraining(data, { limit: 17, chunk: 5, byClass: true } as never))
    const found: unknown[] = []
    one.on('evaluation', ({ evaluation }) => void found.push(evaluation))
    await one.run()
    expect(found).toEqual([await evaluate(one.model, data, { limit: 17, chunk: 5, byClass: true } as never)])
  })

  it('refuses invalid options, and data of other classes', async () => {
    for (const [given, name] of [
      [{ everyEpochs: 0 }, /everyEpochs/],
      [{ limit: 0 }, /limit/],
      [{ chunk: 0 }, /chunk/],
    ] as const)
      expect(() => evaluateDuringTraining(vectors(9), given)).toThrow(refusal('ERR_INVALID_ARGUMENT', name))
    expect(() => evaluateDuringTraining(vectors(9), 5 as never)).toThrow(
      refusal('ERR_INVALID_ARGUMENT', /options/),
    )
    expect(() => evaluateDuringTraining(5 as never)).toThrow(refusal('ERR_INVALID_ARGUMENT', /dataset/))
    const one = await trainer()
    const other = { ...vectors(9), classes: ['x', 'y', 'z'] }
    expect(() => one.use(evaluateDuringTraining(other))).toThrow(refusal('ERR_LABELS', /./))
  })
})

describe('a probe', () => {
  const probe = async (
    given: Parameters<typeof probeDuringTraining>[0],
    more: Partial<TrainerOptions> = {},
  ) => {
    const one = await trainer({ epochs: 1, ...more })
    const probes: EpochProbe[] = []
    one.use(probeDuringTraining(given))
    one.on('probe', ({ probe }) => void probes.push(probe))
    await one.run()
    return { probe: probes[0]!, model: one.model }
  }

  it('measures its fixed sample: drawn evenly, by its seed, no more than there are', async () => {
    for (const [given, size, seed] of [
      [{ samples: 12 }, 12, 0],
      [{ samples: 12, seed: 3 }, 12, 3],
      [{}, 40, 0],
      [{ samples: 999 }, 40, 0],
    ] as const) {
      const { probe: found, model } = await probe({ probes: 0, ...given })
      const indices = sampleIndices(options.data, { size, sampling: 'stratified', seed })
      const { loss, top1 } = await evaluate(model, subset(options.data, indices), { optimize: false })
      expect(found.train).toEqual({ loss: expect.closeTo(loss, 12), accuracy: expect.closeTo(top1, 12) })
      expect(found.trace).toBeNull()
      const weight = model.namedParameters().get('2.weight')!
      expect(found.weightNorm).toBeCloseTo(weight.detach().norm().item(), 12)
    }
  })

  it('leaves out what is not asked for', async () => {
    const { probe: less } = await probe({ probes: 0, collapse: false, samples: 9 })
    expect([less.trace, less.collapse]).toEqual([null, null])
    const { probe: more } = await probe({ probes: 2, samples: 9 })
    expect(more.trace).toMatchObject({ by: 'hessian' })
    for (const value of Object.values(more.collapse!)) expect(value).toBeGreaterThanOrEqual(0)
    const { probe: chunked } = await probe({ probes: 2, samples: 9, chunk: 2 })
    expect(chunked.trace!.trace).toBeCloseTo(more.trace!.trace, 9)
    expect(chunked.collapse!.nc1).toBeCloseTo(more.collapse!.nc1, 9)
  })

  it('is collapsed if a class has one point, and the classifier points there', async () => {
    // A sample of one image for each class: nothing varies within a class.
    const { probe: found } = await probe({ probes: 0, samples: 3 })
    expect(found.collapse!.nc1).toBeCloseTo(0, 12)
    const { probe: all } = await probe({ probes: 0 })
    expect(all.collapse!.nc1).toBeGreaterThan(0.1)
  })

  it('refuses invalid options', () => {
    for (const [given, name] of [
      [{ everyEpochs: 0 }, /everyEpochs/],
      [{ samples: 0 }, /samples/],
      [{ probes: 1 }, /probes/],
      [{ probes: 1.5 }, /probes/],
      [{ probes: 1e7 }, /probes/],
      [{ chunk: 0 }, /chunk/],
      [{ seed: 0.5 }, /seed/],
      [5, /options/],
    ] as const)
      expect(() => probeDuringTraining(given as never)).toThrow(refusal('ERR_INVALID_ARGUMENT', name))
    for (const probes of [0, 2]) expect(() => probeDuringTraining({ probes })).not.toThrow()
  })
})
