import { describe, expect, it } from 'vitest'
import {
  evaluate,
  hessian,
  lastLayerTrace,
  outputLayer,
  runStudy,
  ScriptModule,
  sgd,
  shiftOnAll,
  shiftOptimum,
  Trainer,
  torch,
} from '../../src/index.js'
import { type OutputItem, outputOf } from '../../src/model/model-output.js'
import { gaussNewtonTrace, hutchinsonTrace } from '../../src/sharpness/index.js'
import { captureRows, linearLayer } from '../../src/shift/index.js'
import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { reference } from '../support/python.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const data = vectors(60)
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

/** Models with the weights of `Plain`, how their logits are meant, and how Python takes them. */
const items: [name: string, output: OutputItem, python: (number | string)[]][] = [
  ['LogitsAndFeatures', 0, [0]],
  ['traced_logits_and_features', '0', [0]],
  ['Listed', 0, [0]],
  ['Appended', 0, [0]],
  ['Keyed', 'logits', ['logits']],
  ['KeyedLater', 'logits', ['logits']],
  ['traced_keyed', 'logits', ['logits']],
  ['AuxInTraining', 'logits', ['logits']],
  ['AuxInTraining', 0, [0]],
  ['FeaturesFirst', 'logits', ['logits']],
  ['FeaturesFirst', 1, [1]],
  ['traced_features_first', 1, [1]],
  ['Numbered', 3, [3]],
  ['InAnother', '1.out.logits', [1, 'out', 'logits']],
  ['InAnother', '1.0.1', [1, 0, 1]],
  ['EitherTuple', 1, [1]],
]

describe('an item of a model’s output', () => {
  it("has Python's loss and accuracy, and the trace of its dense Hessian", async () => {
    const models = Object.fromEntries(items.map(([name, , python]) => [fixture(`heads.${name}.pt`), python]))
    const expected = await reference('output_items', { models, size: data.size })
    for (const [name, output] of items) {
      const model = await head(name)
      const python = expected[fixture(`heads.${name}.pt`)]
      for (const optimize of [true, false]) {
        const { loss, top1 } = await evaluate(model, data, { output, optimize, chunk: 7 })
        expect({ name, loss, top1 }).toEqual({
          name,
          loss: expect.closeTo(python.loss, 12),
          top1: python.top1,
        })
      }
      const all = [...data.labels.keys()]
      const operator = hessian(model, data, all, { output, chunk: 11 })
      const unit = (i: number) => {
        const vector = torch.zeros([operator.size], { dtype: 'float64' })
        vector.at(i).fill_(1)
        return vector
      }
      const rows = await operator.apply(Array.from({ length: operator.size }, (_, i) => unit(i)))
      const trace = rows.reduce((sum, row, i) => sum + row.at(i).item(), 0)
      expect({ name, trace }).toEqual({ name, trace: expect.closeTo(python.trace, 9) })
    }
  }, 120_000)

  it('is shifted, studied, measured and trained as the model that returns it alone', async () => {
    const plain = await head('Plain')
    const options = { batchSize: 5, heldOut: 20 }
    const told = await shiftOptimum(await plain.clone(), data, options)
    const whole = await shiftOnAll(await plain.clone(), data, { chunk: 9 })
    const plan = { batchSizes: [4], draws: 1 }
    const study = await runStudy(plain, data, data, plan)
    const gauss = await gaussNewtonTrace(plain, data, { samples: 20, probes: 3 })
    const last = await lastLayerTrace(plain, 'fc', data, { samples: 20 })
    const trained = await head('Plain')
    const training = { data, epochs: 2, batchSize: 16, optimizer: sgd({ learningRate: 0.1 }) }
    await new Trainer(trained, training).run()
    for (const [name, output] of items) {
      const layer = /Appended|KeyedLater/.test(name) ? { layer: 'fc' } : {} // of which the graph does not tell
      const model = await head(name)
      const shift = await shiftOptimum(await model.clone(), data, { ...options, ...layer, output })
      expect(shift).toMatchObject({
        layer: 'fc',
        rank: told.rank,
        normAfter: expect.closeTo(told.normAfter, 10),
        toOutput: 'layer' in layer ? null : [],
      })
      const { certificate } = told
      if ('layer' in layer) {
        expect(shift.measured).toEqual({ images: 20, changed: certificate!.changedPredictions })
      } else {
        expect(shift.certificate!.changedPredictions).toBe(certificate!.changedPredictions)
        expect(shift.certificate!.marginSafeShare).toBe(certificate!.marginSafeShare)
      }
      const onAll = await shiftOnAll(await model.clone(), data, { chunk: 9, ...layer, output })
      expect(onAll.normAfter).toBeCloseTo(whole.normAfter, 10)
      const studied = await runStudy(model, data, data, { ...plan, ...layer, output })
      expect(studied.rows[0]!.normAfter).toBeCloseTo(study.rows[0]!.normAfter, 10)
      expect(studied.rows[0]!.score.loss).toBeCloseTo(study.rows[0]!.score.loss, 12)
      const newton = await gaussNewtonTrace(model, data, { samples: 20, probes: 3, output })
      expect(newton.trace).toBeCloseTo(gauss.trace, 9)
      const part = await lastLayerTrace(model, 'fc', data, { samples: 20, output })
      expect(part.trace).toBeCloseTo(last.trace, 12)
      if (name.startsWith('traced')) continue
      await new Trainer(model, { ...training, output }).run()
      const difference = (parameter: string) =>
        model.namedParameters().get(parameter)!.sub(trained.namedParameters().get(parameter)!).abs().max()
      expect({ name, difference: difference('fc.weight').item() }).toEqual({ name, difference: 0 })
    }
  }, 120_000)

  it('is asked for if there are several, with what there is', async () => {
    const calls: ((model: ScriptModule, given: object) => Promise<unknown>)[] = [
      (model, given) => evaluate(model, data, given),
      (model, given) => evaluate(model, data, { ...given, optimize: false }),
      (model, given) => gaussNewtonTrace(model, data, { ...given, samples: 9 }),
      (model, given) => hutchinsonTrace(hessian(model, data, [0, 1], given), { probes: 2, seed: 0 }),
      (model, given) => lastLayerTrace(model, 'fc', data, given),
      (model, given) => runStudy(model, data, data, { ...given, layer: 'fc', batchSizes: [3] }),
      (model, given) =>
        new Trainer(model, {
          ...given,
          data,
          epochs: 1,
          batchSize: 6,
          optimizer: sgd({ learningRate: 0.1 }),
        }).run(),
    ]
    for (const call of calls) {
      await expect(call(await head('LogitsAndFeatures'), {})).rejects.toEqual(
        refusal(
          'ERR_OUTPUT_SHAPE',
          /tuple or list of 2: 0 \(float64 \[\d+, 3\]\), 1 \(float64 \[\d+, 8\]\); choose the logits by output: one of 0, 1 \(as --output 0\)/,
        ),
      )
      await expect(call(await head('FeaturesFirst'), {})).rejects.toEqual(
        refusal('ERR_OUTPUT_SHAPE', /choose the logits by output: 'logits' \(--output logits\)/),
      )
      await expect(call(await head('FeaturesFirst'), { output: 'logit' })).rejects.toEqual(
        refusal('ERR_OUTPUT_SHAPE', /'logit'.*0 or 'features' \(float64 .*1 or 'logits' \(float64/),
      )
      await expect(call(await head('Plain'), { output: 0 })).rejects.toEqual(
        refusal('ERR_OUTPUT_SHAPE', /returned a tensor float64 \[\d+, 3\]; leave out the option output/),
      )
      await expect(call(await head('InAnother'), { output: 1 })).rejects.toEqual(
        refusal('ERR_OUTPUT_SHAPE', /it is a tuple or list of 2: 0 or 'out' \(a tuple.*'1\.' and its name/),
      )
    }
  })

  it('is found in the graph by its place and its name', async () => {
    for (const [name, output] of items) {
      if (/Appended|KeyedLater/.test(name)) continue
      expect({ name, path: linearLayer(await head(name), undefined, output).path }).toEqual({
        name,
        path: 'fc',
      })
    }
    const layerOf = async (name: string, output?: OutputItem) => outputLayer(await head(name), output)
    const none = (message: RegExp) => refusal('ERR_NO_OUTPUT_LAYER', message)
    for (const [name, item] of [['LogitsAndFeatures', 1] as const, ['FeaturesFirst', 'features'] as const]) {
      await expect(layerOf(name, item)).rejects.toEqual(none(/aten::tanh.* makes it, of 'hidden'/))
    }
    await expect(evaluate(await head('AuxInTraining'), data, { output: 'aux' })).rejects.toEqual(
      refusal('ERR_OUTPUT_SHAPE', /'aux'.* but it is None/),
    )
    await expect(layerOf('LogitsAndFeatures')).rejects.toEqual(none(/choose one by output/))
    await expect(layerOf('FeaturesFirst', 'logit')).rejects.toEqual(none(/no item 'logit'.*\[1\] by 'fc'/))
    await expect(layerOf('AuxInTraining', 'aux')).rejects.toEqual(none(/'aux' is not a tensor/))
    await expect(layerOf('KeyedLater', 'logits')).rejects.toEqual(none(/changed after it is made/))
    await expect(layerOf('Plain', 0)).rejects.toEqual(none(/no item '0'/))
  })

  it('of a captured forward is looked at alone', async () => {
    const model = await head('FeaturesFirst')
    const seen: unknown[] = []
    await captureRows(model, linearLayer(model, 'fc'), data, [0, 1], { output: 'logits' }, (output) => {
      seen.push((output as { shape?: unknown }).shape)
    })
    expect(seen).toEqual([[2, 3]])
  })
})

describe('outputOf', () => {
  const x = torch.zeros([2, 3])

  it.each([-1, 0.5, Number.NaN, true, {}, null])('refuses %j', (item) => {
    expect(() => outputOf([x], item as never)).toThrow(refusal('ERR_INVALID_ARGUMENT', /output/))
  })

  it('takes a key with a dot before an item of an item', () => {
    const y = torch.ones([1])
    expect(
      outputOf(
        new Map([
          ['a.b', x],
          ['a', y],
        ]),
        'a.b',
      ),
    ).toBe(x)
    expect(outputOf(new Map([['a', new Map([['b', y]])]]), 'a.b')).toBe(y)
  })

  it('describes what is not a tensor', () => {
    expect(() => outputOf([])).toThrow(/an empty tuple or list; choose the logits by output: INDEX or KEY/)
    expect(() => outputOf([x], 'toString')).toThrow(/'toString'/)
    expect(() => outputOf([x], 'length')).toThrow(/'length'/)
    expect(() => outputOf(['text', 3, null, new Map()])).toThrow(
      /0 \(a string\), 1 \(a number\), 2 \(None\), 3 \(an empty dictionary\)/,
    )
  })
})
