import { describe, expect, it } from 'vitest'
import {
  evaluate,
  hessianTrace,
  lastLayerTrace,
  runStudy,
  ScriptModule,
  sgd,
  Tensor,
  Trainer,
  torch,
} from '../../src/index.js'
import { areProbabilities } from '../../src/model/index.js'
import { gaussNewtonTrace } from '../../src/sharpness/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

// The three have the same weights, so the results with `outputs: 'probabilities'` are those of the logits.
const head = (name: 'Plain' | 'Softmax' | 'LogSoftmax') => ScriptModule.load(fixture(`heads.${name}.pt`))
const code = (expected: string) => expect.objectContaining({ code: expected })
const data = vectors(60)
const outputs = 'probabilities'

describe('a model that ends in a softmax', () => {
  it('is evaluated correctly if the option says so, and warned of elsewhere', async () => {
    const plain = await evaluate(await head('Plain'), data)
    expect(plain.warnings).toEqual([])
    const right = await evaluate(await head('Softmax'), data, { outputs, chunk: 7 })
    expect(right.warnings).toEqual([])
    expect(right.loss).toBeCloseTo(plain.loss, 12)
    expect(right.calibrationError).toBeCloseTo(plain.calibrationError, 12)
    expect([right.top1, ...right.predictions]).toEqual([plain.top1, ...plain.predictions])
    const wrong = await evaluate(await head('Softmax'), data)
    expect(wrong.warnings).toEqual([expect.stringContaining('rows of probabilities')])
    expect(Math.abs(wrong.loss - plain.loss)).toBeGreaterThan(1e-3)
    const logs = await evaluate(await head('LogSoftmax'), data)
    expect(logs.warnings).toEqual([])
    expect(logs.loss).toBeCloseTo(plain.loss, 12)
    for (const name of ['Plain', 'LogSoftmax'] as const) {
      await expect(evaluate(await head(name), data, { outputs })).rejects.toEqual(code('ERR_PROBABILITIES'))
    }
  })

  it('says where the right class of some image has a probability of 0: the cross-entropy is infinite', async () => {
    const model = await head('Softmax')
    torch.noGrad(() => void model.namedParameters().get('fc.weight')!.mul_(1e4))
    const { loss, warnings } = await evaluate(model, data, { outputs })
    expect(loss).toBe(Number.POSITIVE_INFINITY)
    expect(warnings).toEqual([expect.stringContaining('a probability of 0')])
  })

  it('has the trace of its logits if the option says so, and is refused elsewhere', async () => {
    const options = { samples: 20, probes: 4, seed: 1 }
    for (const trace of [hessianTrace, gaussNewtonTrace]) {
      const plain = await trace(await head('Plain'), data, options)
      const soft = await trace(await head('Softmax'), data, { ...options, outputs })
      expect(soft.trace / plain.trace).toBeCloseTo(1, 9)
      await expect(trace(await head('Softmax'), data, options)).rejects.toEqual(code('ERR_PROBABILITIES'))
      await expect(trace(await head('Plain'), data, { ...options, outputs })).rejects.toEqual(
        code('ERR_PROBABILITIES'),
      )
    }
    const last = async (name: 'Plain' | 'Softmax' | 'LogSoftmax') =>
      (await lastLayerTrace(await head(name), 'fc', data, { samples: 20 })).trace
    expect(await last('Softmax')).toBeCloseTo(await last('Plain'), 12)
    expect(await last('LogSoftmax')).toBeCloseTo(await last('Plain'), 12)
  })

  it('is studied by its logits', async () => {
    const study = async (name: 'Plain' | 'Softmax') =>
      runStudy(await head(name), data, data, { batchSizes: [3], draws: 2 })
    const [plain, soft] = [await study('Plain'), await study('Softmax')]
    expect(soft.before.loss).toBeCloseTo(plain.before.loss, 12)
    expect(soft.rows.map(({ score }) => score.top1)).toEqual(plain.rows.map(({ score }) => score.top1))
  })

  it('is trained on the cross-entropy of its logits if the option says so, and refused elsewhere', async () => {
    const train = async (name: 'Plain' | 'Softmax', more = {}) => {
      const model = await head(name)
      const optimizer = sgd({ learningRate: 0.1 })
      await new Trainer(model, { data, epochs: 1, batchSize: 20, optimizer, ...more }).run()
      return model.namedParameters().get('fc.weight')!
    }
    const [plain, soft] = [await train('Plain'), await train('Softmax', { outputs })]
    expect(soft.sub(plain).abs().max().item()).toBeLessThan(1e-12)
    await expect(train('Softmax')).rejects.toEqual(code('ERR_PROBABILITIES'))
    await expect(train('Plain', { outputs })).rejects.toEqual(code('ERR_PROBABILITIES'))
  })
})

describe('areProbabilities', () => {
  it.each([
    [[[0.2, 0.8]], true],
    [
      [
        [0, 1],
        [1, 0],
      ],
      true,
    ],
    [
      [
        [0.2, 0.8],
        [0.2, 0.9],
      ],
      false,
    ],
    [[[-0.2, 1.2]], false],
    [[[1]], false],
    [[[Number.NaN, 1]], false],
    [[[0, 0]], false],
  ])('of %j is %s', (rows, expected) => {
    expect(areProbabilities(Tensor.from(rows))).toBe(expected)
  })

  it('knows the rounding of half precision', () => {
    const logits = torch.linspace(-3, 3, 2000).view([2, 1000])
    for (const dtype of ['float16', 'bfloat16', 'float64'] as const) {
      expect(areProbabilities(logits.softmax(1).to(dtype))).toBe(true)
      expect(areProbabilities(logits.to(dtype))).toBe(false)
    }
  })
})
