import { describe, expect, it } from 'vitest'
import { evaluate, ScriptModule, type Tensor, torch } from '../../src/index.js'

import { InferenceModel } from '../../src/model/inference-model.js'
import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const head = () => ScriptModule.load(fixture('heads.Plain.pt'))
const data = vectors(30)

describe('evaluate', () => {
  it('reports how many images have NaN as logits, and which weights hold NaN', async () => {
    const model = await head()
    model.namedParameters().get('fc.bias')!.detach().at(2).fill_(Number.NaN)
    const found = await evaluate(model, data)
    expect(found.warnings).toEqual([
      expect.stringMatching(/NaN or infinity for 30 of 30 images.*'fc\.bias' \(NaN\)$/),
    ])
    // As Python's argmax, which takes NaN for the largest; it is no right answer.
    expect([found.top1, found.loss, found.calibrationError]).toEqual([0, Number.NaN, Number.NaN])
  })

  it('reports that images hold NaN, and how many', async () => {
    const broken = {
      ...data,
      load: async (indices: readonly number[]) => {
        const loaded = await data.load(indices)
        const images = loaded.images.clone()
        indices.forEach((index, i) => void (index % 10 === 0 && images.at(i).fill_(Number.NaN)))
        return { ...loaded, images }
      },
    }
    const { warnings } = await evaluate(await head(), broken, { chunk: 7 })
    expect(warnings).toEqual([expect.stringMatching(/for 3 of 30 images.*the images themselves hold NaN/)])
  })

  it('reports a logit of −infinity', async () => {
    const model = await head()
    model.namedParameters().get('fc.bias')!.detach().at(2).fill_(Number.NEGATIVE_INFINITY)
    const { warnings, loss, predictions } = await evaluate(model, data)
    expect(warnings).toEqual([
      expect.stringMatching(/the right class a logit of −infinity in 10 of 30 images/),
    ])
    expect(loss).toBe(Number.POSITIVE_INFINITY)
    expect([...predictions]).not.toContain(2)
  })

  it('runs the fast copy if NaN stands in the same places', async () => {
    const model = await head()
    const bias = model.namedParameters().get('fc.bias')!.detach()
    bias.at(0).fill_(Number.NaN)
    bias.at(1).fill_(Number.POSITIVE_INFINITY)
    const copy = await InferenceModel.of(model)
    const logits = (await copy.forward(torch.zeros([9, 6], { dtype: 'float64' }))) as Tensor
    expect(copy.optimized).toBe(true)
    expect((logits.toArray() as number[][])[8]!.slice(0, 2)).toEqual([Number.NaN, Number.POSITIVE_INFINITY])
    copy.dispose()
  })
})
