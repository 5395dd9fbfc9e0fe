import { describe, expect, it } from 'vitest'
import {
  captureInputs,
  evaluate,
  evaluateAll,
  hessianTrace,
  lastLayerTrace,
  ScriptModule,
  sgd,
  type Tensor,
  Trainer,
} from '../src/index.js'
import { linearLayers } from '../src/model/index.js'
import { gaussNewtonTrace } from '../src/sharpness/index.js'

import { cacheFeatures } from '../src/shift/study/features.js'
import { vectors } from './support/datasets.js'
import { fixture } from './support/paths.js'

// `meta` tensors have no numbers, but they are on another device than the CPU on every machine. A forward on them runs, and reading
// its result fails. A hook shows which device the images reached.
const onMeta = async () => (await ScriptModule.load(fixture('mlp.scripted.pt'), { device: 'meta' })).eval()

describe('the device of a module', () => {
  it('is that of its weights, of its parts and copies too', async () => {
    expect((await ScriptModule.load(fixture('mlp.scripted.pt'))).device).toBe('cpu')
    const model = await onMeta()
    expect(model.device).toBe('meta')
    expect([...model.children().values()].map(({ device }) => device)).toContain('meta')
    await model.to({ dtype: 'float32' })
    expect(model.device).toBe('meta')
  })

  it('is where a module without tensors of its own was loaded or made', async () => {
    const model = (await ScriptModule.load(fixture('mlp.scripted.pt'))).eval()
    const frozen = await model.freeze()
    expect(frozen.parameters()).toEqual([])
    expect(frozen.device).toBe('cpu')
  })
})

describe('images go to the device of the model', () => {
  const data = vectors(12)
  const uses: [string, (model: ScriptModule) => Promise<unknown>][] = [
    ['evaluate', (model) => evaluate(model, data, { optimize: false })],
    ['captureInputs', (model) => captureInputs(model, linearLayers(model).at(-1)!, data, [0, 1])],
    ['the features of a study', (model) => cacheFeatures(model, linearLayers(model).at(-1)!, data, [0, 1])],
    ['hessianTrace', (model) => hessianTrace(model, data, { probes: 2 })],
    ['gaussNewtonTrace', (model) => gaussNewtonTrace(model, data, { probes: 2 })],
    ['lastLayerTrace', (model) => lastLayerTrace(model, linearLayers(model).at(-1)!.path, data)],
  ]
  it.each(uses)('%s', async (_, use) => {
    const model = await onMeta()
    const seen = new Set<string>()
    model.registerForwardPreHook('', ({ inputs }) => void seen.add((inputs[0] as Tensor).device))
    await expect(use(model)).rejects.toThrow(/[mM]eta/)
    expect([...seen]).toEqual(['meta'])
  })

  it('Trainer', async () => {
    const options = { data, epochs: 1, batchSize: 4, optimizer: sgd({ learningRate: 0.1 }) }
    const trainer = new Trainer(await onMeta(), options)
    expect(trainer.device).toBe('meta')
    await expect(trainer.run()).rejects.toThrow(/[mM]eta/) // its images lie there as a whole
  })

  it('and models of one pass that are on two devices are refused', async () => {
    const models = [await ScriptModule.load(fixture('mlp.scripted.pt')), await onMeta()]
    await expect(evaluateAll(models, data)).rejects.toMatchObject({
      code: 'ERR_DEVICE',
      message: expect.stringContaining('on cpu and'),
    })
  })
})
