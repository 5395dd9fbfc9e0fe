import { describe, expect, it } from 'vitest'
import { sgd, subset, Trainer } from '../../src/index.js'

import { dataset, expectNoWarnings, indices, load, models, python } from '../support/precision.js'
import { largestDifference } from '../support/tensors.js'

expectNoWarnings()

describe('training', () => {
  it.each(models.filter(([name]) => !['head_first', 'traced'].includes(name)))(
    '%s: a step is that of Python in the same dtype',
    async (name, dtype, rounding) => {
      const model = await load(name)
      const data = subset(await dataset(), indices)
      const lr = 0.125
      const { weights } = await python(name, dtype, { lr })
      await new Trainer(model, {
        data,
        epochs: 1,
        batchSize: indices.length,
        optimizer: sgd({ learningRate: lr }),
      }).run()
      for (const [path, parameter] of model.namedParameters()) {
        const own = Array.from(parameter.to('float64').detach().reshape([-1]).toTypedArray() as Float64Array)
        const expected = weights[path] as number[]
        // A gradient of half precision has few digits, in either order of the images.
        const scale = Math.max(...expected.map(Math.abs))
        expect(largestDifference(own, expected)).toBeLessThan(8 * rounding * Math.max(scale, 0.1))
      }
    },
  )
})
