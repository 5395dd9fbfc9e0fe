import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import {
  runStudy,
  ScriptModule,
  sgd,
  shiftLayers,
  shiftOnAll,
  shiftOptimum,
  sosDuringTraining,
  type Tensor,
  Trainer,
  torch,
} from '../../src/index.js'
import type { ShiftRecord } from '../../src/shift/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const code = (expected: string) => expect.objectContaining({ code: expected })
const [batchSize, size] = [3, 60]
const options = { batchSize, heldOut: size - batchSize, chunk: 16 }

/** Predictions of two models on the images outside of a shift's batch, by their own forwards. */
async function changedBy(record: ShiftRecord, name: string, shifted: ScriptModule, data: Dataset) {
  const others = [...data.labels.keys()].filter((index) => !record.indices.includes(index))
  const { images } = await data.load(others)
  const predict = async (model: ScriptModule) => {
    const output = await torch.noGrad(() => model.eval().forward<Tensor>(images))
    return output.argmax(1).toArray() as number[]
  }
  const [before, after] = [await predict(await head(name)), await predict(shifted)]
  return before.filter((prediction, i) => String(prediction) !== String(after[i])).length
}

describe('what a shift says of classes', () => {
  it.each([
    ['Plain', []],
    ['Softmax', ['aten::softmax']],
    ['LogSoftmax', ['aten::log_softmax']],
    ['Squeezed', ['aten::squeeze', 'aten::flatten']],
    ['Old', []],
    ['ByTranspose', []],
    ['ByPermute', []],
  ])('%s: the layer’s outputs are the logits, and the certificate proves it', async (name, toOutput) => {
    const [model, data] = [await head(name), vectors(size)]
    const record = await shiftOptimum(model, data, options)
    const changed = await changedBy(record, name, model, data)
    expect(record).toMatchObject({ layer: 'fc', toOutput, measured: null })
    expect(record.certificate).toMatchObject({ samples: size - batchSize, changedPredictions: changed })
    expect(record.certificate!.marginSafeShare).toBeLessThanOrEqual(1 - changed / (size - batchSize))
    expect(record.certificate!.maxLossChange).toBeGreaterThan(0)
  })

  it.each([
    ['Plain', 'hidden'],
    ['Scaled', 'fc'],
    ['Temperature', 'fc'],
    ['Residual', 'fc'],
    ['Residual', 'hidden'],
    ['Distilled', 'fc_dist'],
    ['SoftmaxTwice', 'fc'],
    ['ScaledInPlace', 'fc'],
    ['FirstToken', 'fc'],
    ['Tokens', 'fc'],
    ['ConvolutionHead', 'head'],
    ['ConvolutionHead', 'hidden'],
  ])('%s, %s: it says nothing of classes, and the whole model is measured', async (name, layer) => {
    const [model, data] = [await head(name), vectors(size)]
    const before = [...model.namedParameters()].map(([path, tensor]) => [path, tensor.toArray()])
    const record = await shiftOptimum(model, data, { ...options, layer })
    const changed = await changedBy(record, name, model, data)
    expect(record.certificate).toMatchObject({
      maxLossChange: null,
      meanLossChange: null,
      marginSafeShare: null,
      changedPredictions: null,
    })
    expect(record.certificate!.maxLogitChange).toBeGreaterThan(0)
    expect(record.measured).toEqual({ images: size - batchSize, changed })
    const others = before.filter(([path]) => path !== `${layer}.weight`)
    expect([...model.namedParameters()].map(([path, tensor]) => [path, tensor.toArray()])).toEqual(
      expect.arrayContaining(others), // only the layer's weight was written
    )
  })

  it.each([
    ['Coarse', 0],
    ['HalfCoarse', 0.2],
  ])(
    '%s: what bfloat16 decides is measured, and no image is safe whose class changes',
    async (name, least) => {
      const data = vectors(size)
      const others = size - batchSize
      for (const seed of [0, 1, 2]) {
        const model = await head(name)
        // The weights are so small that the default would keep no direction.
        const rank = { policy: 'tolerance', tolerance: 1e-9 } as const
        const record = await shiftOptimum(model, data, { ...options, seed, rank })
        const changed = await changedBy(record, name, model, data)
        const { marginSafeShare, changedPredictions } = record.certificate!
        expect(record.toOutput).toEqual([])
        expect(changedPredictions ?? record.measured).toEqual(
          changedPredictions === null ? { images: others, changed } : changed,
        )
        if (name === 'Coarse') expect(record.measured).not.toBeNull()
        expect(marginSafeShare).toBeGreaterThanOrEqual(least)
        expect(marginSafeShare).toBeLessThanOrEqual(1 - changed / others)
      }
    },
  )

  it('is nothing if the model returns no numbers', async () => {
    const record = await shiftOptimum(await head('Booleans'), vectors(size), { ...options, layer: 'fc' })
    expect(record).toMatchObject({ toOutput: null, measured: null, certificate: { marginSafeShare: null } })
  })

  it.each(['TiedBias', 'BiasReadBefore'])(
    '%s: a bias that something else reads stays as it is',
    async (name) => {
      const [model, data] = [await head(name), vectors(size)]
      const classes = model.namedParameters().get('fc.bias')!.shape[0]!
      const named = { ...data, classes: Array.from({ length: classes }, (_, i) => `c${i}`) }
      for (const bias of ['absorb', 'augment'] as const) {
        for (const layer of [undefined, 'fc']) {
          const given = { ...options, bias, ...(layer && { layer }) }
          await expect(shiftOptimum(model, named, given)).rejects.toEqual(code('ERR_BIAS'))
        }
        await expect(shiftLayers(model, named, ['fc'], { ...options, bias })).rejects.toEqual(
          code('ERR_BIAS'),
        )
        await expect(shiftOnAll(model, named, { bias })).rejects.toEqual(code('ERR_BIAS'))
        const study = runStudy(model, named, named, { batchSizes: [3], biases: ['fixed', bias] })
        await expect(study).rejects.toEqual(code('ERR_BIAS'))
      }
      const { images } = await named.load([...named.labels.keys()])
      const before = await torch.noGrad(() => model.eval().forward<Tensor>(images))
      const record = await shiftOptimum(model, named, options)
      const after = await torch.noGrad(() => model.forward<Tensor>(images))
      const batch = torch.tensor([...record.indices], { dtype: 'int64' })
      const moved = after.index_select(0, batch).sub(before.index_select(0, batch)).abs().max().item()
      expect(moved).toBeLessThan(1e-12)
      expect(await changedBy(record, name, model, named)).toBe(record.certificate!.changedPredictions)
    },
  )

  it('reports positions and windows by their names, and what lies between layer and output', async () => {
    const data = vectors(size)
    const tokens = await shiftOptimum(await head('Tokens'), data, options)
    expect(tokens).toMatchObject({ layer: 'fc', toOutput: ['aten::mean'], rows: { of: 'positions' } })
    const windows = await shiftOptimum(await head('ConvolutionHead'), data, { ...options, layer: 'head' })
    expect(windows).toMatchObject({ toOutput: null, rows: { of: 'windows' } })
  })

  it('refuses by default if images show what the graph does not', async () => {
    const model = await head('SoftmaxOverImages')
    const before = model.namedParameters().get('fc.weight')!.toArray()
    await expect(shiftOptimum(model, vectors(size), options)).rejects.toEqual(code('ERR_NO_OUTPUT_LAYER'))
    await expect(shiftOnAll(model, vectors(size))).rejects.toEqual(code('ERR_NO_OUTPUT_LAYER'))
    expect(model.namedParameters().get('fc.weight')!.toArray()).toEqual(before)
  })

  it('holds for several layers, for a whole dataset, and in training', async () => {
    const data = vectors(size)
    const [hidden, fc] = await shiftLayers(await head('Plain'), data, ['hidden', 'fc'], options)
    expect(hidden).toMatchObject({ toOutput: null, measured: { images: size - batchSize } })
    expect(hidden!.certificate!.marginSafeShare).toBeNull()
    expect(fc).toMatchObject({ toOutput: [], measured: null })
    expect(fc!.certificate!.marginSafeShare).toBeGreaterThan(0)
    expect(fc!.certificate!.marginSafeShare).toBeLessThanOrEqual(
      1 - fc!.certificate!.changedPredictions! / (size - batchSize),
    )
    const all = await shiftOnAll(await head('Scaled'), data, { layer: 'fc', chunk: 7 })
    expect(all).toMatchObject({ toOutput: null, measured: { images: size, changed: 0 } })
    const records: ShiftRecord[] = []
    for (const layer of ['hidden', 'fc']) {
      const trainer = new Trainer(await head('Plain'), {
        data,
        epochs: 1,
        batchSize: 20,
        optimizer: sgd({ learningRate: 0.01 }),
      })
      trainer.use(sosDuringTraining({ batchSize, heldOut: 10, layer }))
      trainer.on('shift', ({ shift }) => void records.push(shift))
      await trainer.run()
    }
    expect(records.map(({ toOutput, measured }) => [toOutput, measured?.images])).toEqual([
      [null, 10],
      [[], undefined],
    ])
  })
})
