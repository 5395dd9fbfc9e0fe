import { describe, expect, it } from 'vitest'
import { evaluate, ScriptModule, subset, type Tensor } from '../../src/index.js'

import { InferenceModel } from '../../src/model/inference-model.js'
import { demoModel } from '../support/paths.js'
import { dataset, epsilon, expectNoWarnings, indices, load, models, python } from '../support/precision.js'

expectNoWarnings()

describe('evaluate', () => {
  it.each([...models, ['frozen', 'float16', epsilon.float16] as const])(
    '%s: the loss is that of Python on images in %s, by the fast copy too',
    async (name, dtype, rounding) => {
      const data = subset(await dataset(), indices)
      const { losses, logits } = await python(name, dtype)
      const mean = losses.reduce((a: number, b: number) => a + b) / losses.length
      const largest = Math.max(...logits.map(Math.abs))
      for (const optimize of [true, false]) {
        const { loss } = await evaluate(await load(name), data, { optimize })
        expect(Math.abs(loss - mean)).toBeLessThan(4 * rounding * largest)
      }
    },
    120_000,
  )

  it('the fast copy runs in half precision, and is as near to float32 as the model itself', async () => {
    for (const dtype of ['float16', 'bfloat16', 'float64'] as const) {
      const exact = (await ScriptModule.load(demoModel)).eval()
      const model = (await ScriptModule.load(demoModel)).eval()
      await model.to({ dtype })
      const fast = await InferenceModel.of(model)
      const { images } = await (await dataset()).load(indices)
      const right = (await exact.forward(images)).to('float64')
      const error = (logits: Tensor) => logits.sub(right).abs().mean().item()
      const own = error(await model.forward(images.to(dtype)))
      const copied = error((await fast.forward(images)) as Tensor)
      expect(fast.optimized).toBe(true)
      expect(copied).toBeLessThan(2 * own + 1e-6)
      fast.dispose()
    }
  }, 120_000)
})
