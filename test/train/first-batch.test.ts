import { describe, expect, it } from 'vitest'
import {
  evaluateDuringTraining,
  probeDuringTraining,
  ScriptModule,
  sgd,
  sosDuringTraining,
  Trainer,
} from '../../src/index.js'
import type { TrainerOptions } from '../../src/train/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const options = { data: vectors(13), epochs: 1, batchSize: 4, optimizer: sgd({ learningRate: 0.1 }) }
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

function run(model: ScriptModule, more: Partial<TrainerOptions> = {}): Promise<string> {
  return new Trainer(model, { ...options, ...more }).run()
}

describe('a last batch', () => {
  it('of one image, on which batch norm fails, is left out by dropLast, as the error says', async () => {
    await expect(run(await head('Normed'))).rejects.toEqual(
      refusal(
        'ERR_TORCH',
        /more than 1 value.*with 1 instead of 4 images \(vectors has 13\).*dropLast: true/s,
      ),
    )
    expect(await run(await head('Normed'), { dropLast: true })).toBe('done')
    expect(await run(await head('Normed'), { data: vectors(14) })).toBe('done')
    expect(await run(await head('Plain'))).toBe('done')
  })

  it('is not what is wrong if every batch has one image', async () => {
    await expect(run(await head('Normed'), { batchSize: 1 })).rejects.toEqual(
      refusal('ERR_TORCH', /has only 1 image of a batch of 1: choose a larger batchSize/),
    )
  })

  it('of another size than a trace holds is left out', async () => {
    const baked = () => head('traced_baked')
    await expect(run(await baked(), { data: vectors(5), batchSize: 2 })).rejects.toEqual(
      refusal('ERR_TORCH', /last batch of an epoch, with 1 instead of 2 images.*dropLast: true/s),
    )
    expect(await run(await baked(), { data: vectors(5), batchSize: 2, dropLast: true })).toBe('done')
  })
})

describe('a training that cannot begin', () => {
  it('names the weights that are no numbers, and not the learning rate', async () => {
    const model = await head('Plain')
    model.namedParameters().get('hidden.weight')!.detach().at(0, 0).fill_(Number.NaN)
    await expect(run(model)).rejects.toEqual(
      refusal('ERR_NOT_FINITE', /before any step: its weights hold them: 'hidden\.weight' \(NaN\)$/),
    )
    const images = {
      ...options.data,
      load: async (indices: readonly number[]) => {
        const loaded = await options.data.load(indices)
        return { ...loaded, images: loaded.images.div(0) }
      },
    }
    await expect(run(await head('Plain'), { data: images })).rejects.toEqual(
      refusal('ERR_NOT_FINITE', /the images themselves/),
    )
    const diverging = { ...options, epochs: 9, optimizer: sgd({ learningRate: 1.7e308 }) }
    await expect(run(await head('Plain'), diverging)).rejects.toEqual(
      refusal(
        'ERR_NOT_FINITE',
        /first batch was finite: the training diverged at a learning rate of 1.7e\+308/,
      ),
    )
  })

  it('distinguishes a frozen model from one that requires no gradients', async () => {
    const frozen = await (await head('Plain')).freeze()
    expect(() => new Trainer(frozen, options)).toThrow(refusal('ERR_FROZEN', /it is frozen/))
    const still = await head('WithoutGrad')
    expect(() => new Trainer(still, options)).toThrow(
      refusal('ERR_NO_GRADIENT', /none of its 4 does: it was exported with requires_grad = False/),
    )
    for (const parameter of still.parameters()) parameter.requiresGrad = true
    expect(await run(still)).toBe('done')
  })

  it('has nothing to shift in a head of zeros, until a later epoch', async () => {
    const model = await head('Plain')
    const weight = () => model.namedParameters().get('fc.weight')!.detach()
    weight().zero_()
    const trainer = new Trainer(model, options).use(sosDuringTraining({ batchSize: 3 }))
    await expect(trainer.run()).rejects.toEqual(refusal('ERR_NOT_SHIFTABLE', /consists of zeros.*startEpoch/))
    const later = new Trainer(model, { ...options, epochs: 2 }).use(
      sosDuringTraining({ batchSize: 3, startEpoch: 1 }),
    )
    const shifts: number[] = []
    later.on('shift', ({ epoch, shift }) => void shifts.push(epoch, shift.rank))
    expect(await later.run()).toBe('done')
    expect(shifts).toEqual([1, 3])
  })
})

describe('what a training says about an item of the output', () => {
  it('is of the logits that it trains', async () => {
    const told: Record<string, unknown>[] = []
    for (const [name, output] of [['Plain', undefined] as const, ['FeaturesFirst', 'logits'] as const]) {
      const model = await head(name)
      const trainer = new Trainer(model, {
        ...options,
        dropLast: true,
        ...(output !== undefined && { output }),
      })
      trainer.use(
        sosDuringTraining({ batchSize: 3 }),
        evaluateDuringTraining(vectors(20), { chunk: 3 }),
        probeDuringTraining({ samples: 9, probes: 2, chunk: 4 }),
      )
      const heard: Record<string, unknown> = {}
      trainer.on(
        'shift',
        ({ shift }) => void Object.assign(heard, { rank: shift.rank, norm: shift.normAfter }),
      )
      trainer.on('evaluation', ({ evaluation }) => void Object.assign(heard, { loss: evaluation.loss }))
      trainer.on('probe', ({ probe }) => void Object.assign(heard, { probe }))
      await trainer.run()
      told.push(heard)
    }
    expect(told[1]).toEqual(told[0])
    expect(Object.keys(told[0]!)).toEqual(['rank', 'norm', 'loss', 'probe'])
  })

  it('is of the probabilities that it was told of', async () => {
    const model = await head('Softmax')
    const plain = await head('Plain')
    const losses: number[] = []
    for (const [one, outputs] of [[model, 'probabilities'] as const, [plain, 'logits'] as const]) {
      const trainer = new Trainer(one, { ...options, dropLast: true, outputs })
      trainer.use(evaluateDuringTraining(vectors(20)), probeDuringTraining({ samples: 9, probes: 2 }))
      trainer.on('evaluation', ({ evaluation }) => {
        expect(evaluation.warnings).toEqual([])
        losses.push(evaluation.loss)
      })
      trainer.on('probe', ({ probe }) => void losses.push(probe.trace!.trace))
      await trainer.run()
    }
    expect(losses[0]).toBeCloseTo(losses[2]!, 9)
    expect(losses[1]).toBeCloseTo(losses[3]!, 6)
  })
})
