import { describe, expect, it } from 'vitest'
import { hessianTrace, lastLayerTrace, subset } from '../../src/index.js'
import { gaussNewtonTrace } from '../../src/sharpness/index.js'

import { dataset, expectNoWarnings, indices, load, models, python } from '../support/precision.js'

expectNoWarnings()

describe('sharpness', () => {
  it.each(models.filter(([name]) => !['half_head', 'head_first', 'casts', 'traced'].includes(name)))(
    '%s: the traces are those of the same numbers in float32',
    async (name, dtype) => {
      const [model, data] = [await load(name), subset(await dataset(), indices)]
      const own = { samples: 96, probes: 4, seed: 0 }
      const { perProbe } = await python(name, dtype, { probes: 4 })
      const trace = await hessianTrace(model, data, own)
      for (const [i, form] of trace.perProbe.entries()) {
        // Drawn in float64, the signs of a float64 model's probes are others.
        if (name !== 'float64') expect(Math.abs(form - perProbe[i])).toBeLessThan(1e-3 * Math.abs(form))
      }
      const many = { samples: 96, probes: 200, seed: 0 }
      const gaussNewton = await gaussNewtonTrace(model, data, many)
      const hutchinson = await hessianTrace(model, data, many)
      const spread = Math.hypot(gaussNewton.standardError, hutchinson.standardError)
      expect(Math.abs(gaussNewton.trace - hutchinson.trace)).toBeLessThan(4 * spread)
      const last = await lastLayerTrace(model, 'fc', data, own)
      expect(last.trace).toBeGreaterThan(0)
      expect(last.trace).toBeLessThan(hutchinson.trace + 4 * hutchinson.standardError)
      expect(model.parameters().every((parameter) => parameter.dtype === dtype)).toBe(true)
    },
    120_000,
  )

  it.each(['half_head', 'casts', 'traced'])('%s can be measured', async (name) => {
    const data = subset(await dataset(), indices)
    const many = { samples: 96, probes: 100 }
    const trace = await hessianTrace(await load(name), data, many)
    const gaussNewton = await gaussNewtonTrace(await load(name), data, many)
    const spread = Math.hypot(gaussNewton.standardError, trace.standardError)
    expect(Math.abs(gaussNewton.trace - trace.trace)).toBeLessThan(4 * spread)
  })
})
