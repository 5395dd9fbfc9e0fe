import { describe, expect, it } from 'vitest'
import {
  preprocessOf,
  ScriptModule,
  saveShifted,
  shiftOnAll,
  shiftOptimum,
  subset,
  torch,
} from '../../src/index.js'
import { captureRows } from '../../src/shift/index.js'

import { demoModel, temporaryFolder } from '../support/paths.js'
import { dataset, epsilon, expectNoWarnings, indices, load, models } from '../support/precision.js'

expectNoWarnings()

describe('shift', () => {
  it.each(models.filter(([name]) => name !== 'head_first'))(
    '%s: V* is solved for in float64, and what rounding it costs is told',
    async (name, _, rounding) => {
      const [model, data] = [await load(name), await dataset()]
      const batch = indices.slice(0, 40)
      const layer = { path: 'fc', inFeatures: 64, outFeatures: 10 }
      const a = (await captureRows(model, layer as never, data, batch)).rows[0]!.to('float64')
      const weight = model.namedParameters().get('fc.weight')!
      const v = weight.detach().to('float64').t()
      const shift = await shiftOptimum(model, data, {
        indices: batch,
        rank: { policy: 'tolerance', tolerance: 1e-10 },
      })
      const vStar = torch.linalg_pinv(a, { rtol: 1e-10 }).matmul(a.matmul(v))
      const rounded = vStar.to(weight.dtype).to('float64')
      expect(shift.dtype).toBe(weight.dtype)
      expect(weight.to('float64').t().sub(rounded).abs().max().item()).toBeLessThanOrEqual(
        (weight.dtype === 'float64' ? 64 : 1) *
          epsilon[weight.dtype as 'float16'] *
          rounded.abs().max().item(),
      )
      const cost = a.matmul(rounded.sub(vStar)).abs().max().item()
      expect(shift.roundingChange).toBeGreaterThan(0.9 * cost - 1e-12)
      expect(shift.roundingChange).toBeLessThan(1.1 * cost + 1e-12)
      // The outputs moved by that and by the rounding of the layer's own arithmetic, and by nothing else.
      const largest = a.matmul(v).abs().max().item()
      expect(shift.batchLogitChange).toBeLessThan(cost + 4 * rounding * largest)
      const told = shift.warnings.filter((text) => text.includes('rounding to'))
      expect(told.length).toBe(cost > 1e-3 && rounding > epsilon.float32 ? 1 : 0)
      expect(shift.normAfter).toBeLessThan(shift.normBefore)
      const file = `${temporaryFolder()}/shifted.pt`
      await saveShifted(model, file, shift, {
        dataset: data.name,
        preprocess: preprocessOf(await ScriptModule.load(demoModel)),
      })
      const again = await ScriptModule.load(file)
      expect(again.namedParameters().get('fc.weight')!.equal(weight)).toBe(true)
    },
  )

  it('a shift on all images of a half-precision model certifies what is stored', async () => {
    const model = await load('float16')
    const shift = await shiftOnAll(model, subset(await dataset(), indices))
    expect(shift).toMatchObject({ dtype: 'float16', roundingChange: null })
  })
})
