import { describe, expect, it } from 'vitest'
import { hessianTrace, lastLayerTrace, ScriptModule } from '../../src/index.js'
import { compareTraces, gaussNewtonTrace } from '../../src/sharpness/index.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const options = { samples: 12, probes: 4 }
const data = vectors(12)

describe('a trace whose gradient does not reach all parameters', () => {
  it.each([
    ['Detached', 'cuts the output off'],
    ['Rounded', 'it is zero in all of them'],
    ['WithoutGrad', 'none of its 4 does'],
  ])('is refused if it reaches none: %s', async (name, reason) => {
    for (const trace of [hessianTrace, gaussNewtonTrace]) {
      await expect(trace(await head(name), data, options)).rejects.toMatchObject({
        code: 'ERR_NO_GRADIENT',
        message: expect.stringContaining(reason),
      })
    }
    const plain = await head('Plain')
    await expect(compareTraces(plain, await head(name), data, options)).rejects.toMatchObject({
      code: 'ERR_NO_GRADIENT',
    })
  })

  it('reports which parameters are left out', async () => {
    const left = ['hidden.weight', 'hidden.bias']
    for (const trace of [hessianTrace, gaussNewtonTrace]) {
      const whole = await trace(await head('Plain'), data, options)
      expect(whole.withoutGradient).toEqual([])
      const cut = await trace(await head('DetachedFeatures'), data, options)
      expect(cut.withoutGradient).toEqual(left)
      const frozen = await head('Plain')
      for (const name of left) frozen.namedParameters().get(name)!.requiresGrad = false
      const part = await trace(frozen, data, options)
      expect(part.withoutGradient).toEqual(left)
    }
  })

  it('is that of what is left: exactly the last layer’s, if the features are cut off', async () => {
    const model = await head('DetachedFeatures')
    const exact = await lastLayerTrace(model, 'fc', data, { samples: 12 })
    const { trace, standardError } = await hessianTrace(model, data, { samples: 12, probes: 400 })
    expect(Math.abs(trace - exact.trace)).toBeLessThan(4 * standardError)
  })
})
