import { describe, expect, it } from 'vitest'
import { ScriptModule } from '../../../src/index.js'
import { gaussNewtonTrace, hessianTrace, lastLayerTrace } from '../../../src/sharpness/index.js'

import { vectors } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'

describe('a trace of some parameters', () => {
  it.each([
    ['hessianTrace', hessianTrace],
    ['gaussNewtonTrace', gaussNewtonTrace],
  ])('is that of their block: %s', async (_, trace) => {
    const model = await ScriptModule.load(fixture('curvature.relu.pt'))
    const data = vectors(9)
    const exact = await lastLayerTrace(model, '5', data, { samples: 9 })
    const options = { samples: 9, probes: 400, parameters: '5.*' }
    const found = await trace(model, data, options)
    expect(found.size).toBe(exact.size)
    expect(Math.abs(found.trace - exact.trace)).toBeLessThan(4 * found.standardError)
    expect(found.standardError).toBeLessThan(0.1 * exact.trace)
    expect(found.withoutGradient).toEqual([])
    expect((await trace(model, data, { ...options, graphBytes: 2 ** 20 })).perProbe).toEqual(found.perProbe)
    await expect(trace(model, data, { parameters: 'fc.*' })).rejects.toMatchObject({
      code: 'ERR_NO_SUCH_PARAMETER',
    })
  })
})
