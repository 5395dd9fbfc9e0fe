import { expect, it } from 'vitest'
import { presets } from '../../src/index.js'
import { presetNamed } from '../../src/model/index.js'

import { reference } from '../support/python.js'

it("presets are torchvision's own metadata", async () => {
  const torchvision = await reference('presets')
  expect(Object.keys(torchvision).length).toBeGreaterThan(80)
  expect(presets).toEqual(torchvision)
  expect(presets.shufflenet_v2_x2_0!.resize).toBe(232)
})

it('an unknown preset is refused with the nearest names', () => {
  expect(() => presetNamed('resnet5')).toThrow(/did you mean resnet50/)
  expect(() => presetNamed('constructor')).toThrow(expect.objectContaining({ code: 'ERR_PRESET' }))
})
