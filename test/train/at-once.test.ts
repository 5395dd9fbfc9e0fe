import { describe, expect, it } from 'vitest'
import type { Evaluation } from '../../src/evaluate/index.js'
import {
  evaluate,
  evaluateDuringTraining,
  probeDuringTraining,
  ScriptModule,
  sgd,
  sosDuringTraining,
  Trainer,
  torch,
} from '../../src/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const busy = expect.objectContaining({ code: 'ERR_BUSY' })
const noisy = () => ScriptModule.load(fixture('modes.noisy.pt'))
const valuesOf = (model: ScriptModule) =>
  new Map([...model.stateDict()].map(([name, tensor]) => [name, tensor.clone()]))

function expectSame(model: ScriptModule, values: ReturnType<typeof valuesOf>) {
  for (const [name, tensor] of model.stateDict())
    expect(torch.equal(tensor, values.get(name)!), name).toBe(true)
}

describe('a trainer', () => {
  const options = () => ({
    data: vectors(24),
    epochs: 2,
    batchSize: 8,
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }),
  })

  it('gives the parts of the model their modes back, also if one is held then', async () => {
    const model = (await noisy()).eval()
    model.submodule('norm').train()
    const trainer = new Trainer(model, options())
    let view: ScriptModule | undefined
    trainer.on('runEnd', () => {
      view = model.view({ eval: true })
    })
    await trainer.run()
    expect(model.submodule('norm').training).toBe(false)
    view!.dispose()
    expect([model.training, model.submodule('norm').training, model.submodule('fc').training]).toEqual([
      false,
      true,
      false,
    ])
  })

  it('computes the same with evaluations, probes and shifts of its listeners that are awaited', async () => {
    const plain = await noisy()
    torch.manualSeed(0)
    await new Trainer(plain, options()).run()
    const watched = await noisy()
    const trainer = new Trainer(watched, options())
    const losses: number[] = []
    trainer.use(
      evaluateDuringTraining(vectors(24)),
      evaluateDuringTraining(vectors(24), { optimize: false }),
      probeDuringTraining({ probes: 2 }),
    )
    trainer.on('evaluation', ({ evaluation }) => void losses.push(evaluation.loss))
    trainer.on('epochEnd', () => Promise.all([1, 2].map(() => evaluate(watched, vectors(24)))).then(() => {}))
    await trainer.run()
    expectSame(watched, valuesOf(plain))
    expect(losses[0]).toBeCloseTo(losses[1]!, 12)
  })

  it('is reported if an evaluation that a listener began is not awaited; the evaluation is right', async () => {
    const model = await noisy()
    const trainer = new Trainer(model, options())
    const evaluations: Promise<Evaluation>[] = []
    let values: ReturnType<typeof valuesOf> | undefined
    const slowly = { batchSize: 2, optimize: false }
    trainer.on('epochEnd', () => {
      values ??= valuesOf(model)
      evaluations.push(evaluate(model, vectors(24), slowly))
    })
    await expect(trainer.run()).rejects.toEqual(busy)
    const [evaluation] = await Promise.all(evaluations)
    const copy = await noisy()
    copy.loadStateDict(values!)
    expect(evaluation).toEqual(await evaluate(copy, vectors(24), slowly))
    expect([evaluations.length, model.training]).toEqual([1, false])
  })

  it('has the weights for itself: another one is refused, however it reaches them, until the run has ended', async () => {
    const expected = await noisy()
    await new Trainer(expected, options()).run()
    const model = await noisy()
    const trainer = new Trainer(model, options())
    const part = { ...options(), data: vectors(24) }
    const runs = [
      trainer.run(),
      trainer.run(),
      new Trainer(model, options()).run(),
      new Trainer(model.view(), options()).run(),
      new Trainer(ScriptModule.fromShared(model.share()), options()).run(),
      new Trainer(model.submodule('fc'), part).run(),
    ]
    const [first, ...others] = await Promise.allSettled(runs)
    expect(first).toEqual({ status: 'fulfilled', value: 'done' })
    for (const other of others) expect(other).toEqual({ status: 'rejected', reason: busy })
    expectSame(model, valuesOf(expected))
    expect(await new Trainer(model, options()).run()).toBe('done')
    const failing = new Trainer(model, options())
    failing.on('batchEnd', () => {
      throw new Error('enough')
    })
    await expect(failing.run()).rejects.toThrow('enough')
    expect(await new Trainer(model, options()).run()).toBe('done')
  })

  it('is not disturbed by an evaluation that comes from elsewhere in the middle of a step', async () => {
    const expected = await noisy()
    await new Trainer(expected, options()).run()
    const model = await noisy()
    const refused: unknown[] = []
    let asked: ReturnType<typeof setImmediate> | undefined
    const ask = () => {
      if (model.training) evaluate(model, vectors(24)).catch((error) => void refused.push(error))
      asked = setImmediate(ask)
    }
    asked = setImmediate(ask)
    const [run] = await Promise.allSettled([new Trainer(model, options()).run()])
    clearImmediate(asked)
    if (run!.status === 'fulfilled') expectSame(model, valuesOf(expected))
    else expect(run.reason).toEqual(busy)
    for (const error of refused) expect(error).toEqual(busy)
  })

  it('shifts as before', async () => {
    const model = await noisy()
    const trainer = new Trainer(model, options())
    const norms: [number, number][] = []
    trainer.use(sosDuringTraining({ batchSize: 4 }))
    trainer.on('shift', ({ shift }) => void norms.push([shift.normBefore, shift.normAfter]))
    await trainer.run()
    expect(norms).toHaveLength(2)
    for (const [before, after] of norms) expect(after).toBeLessThan(before)
  })
})
