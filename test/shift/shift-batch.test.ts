import { describe, expect, it } from 'vitest'
import { drawBatch } from '../../src/shift/index.js'
import type { ShiftableLayer } from '../../src/shift/layer/layer.js'
import { defaultBatchSize, windowsOf } from '../../src/shift/shift-batch.js'

import { vectors } from '../support/datasets.js'

const linear = (inFeatures: number): ShiftableLayer => ({
  path: 'fc',
  inFeatures,
  outFeatures: 3,
  hasBias: true,
})
const convolution = (inFeatures: number): ShiftableLayer => ({
  ...linear(inFeatures),
  geometry: { kernel: [3, 3], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
})

describe('the batch of a shift', () => {
  it.each([
    [1, 1000, 1],
    [2, 1000, 1],
    [9, 1000, 4],
    [599, 1000, 299],
    [600, 1000, 300],
    [2048, 1000, 300],
    [2048, 40, 40],
  ])(
    'is by default half of the inputs, at most 300, at most all: %i inputs, %i images',
    (inputs, size, batch) => {
      expect(defaultBatchSize(vectors(size), linear(inputs))).toBe(batch)
      expect(drawBatch(vectors(size), linear(inputs)).indices).toHaveLength(batch)
    },
  )

  it('is drawn evenly from the classes by default, with the seed 0', () => {
    const data = {
      ...vectors(40),
      labels: Int32Array.from({ length: 40 }, (_, i) => (i < 36 ? 0 : i % 2 ? 1 : 2)),
    }
    const drawn = drawBatch(data, linear(12))
    expect(drawn).toEqual({
      sampling: 'stratified',
      seed: 0,
      indices: drawBatch(data, linear(12), { sampling: 'stratified', seed: 0, batchSize: 6 }).indices,
    })
    const count = (label: number) => drawn.indices.filter((index) => data.labels[index] === label).length
    expect([0, 1, 2].map(count)).toEqual([2, 2, 2])
    const uniform = [0, 1, 2, 3].map((seed) => drawBatch(data, linear(12), { sampling: 'uniform', seed }))
    const classes = uniform.map(({ indices }) => indices.filter((index) => index < 36).length)
    expect(Math.max(...classes)).toBeGreaterThan(3)
    expect(new Set(uniform.map(({ indices }) => String(indices))).size).toBe(4)
  })

  it('that is given is taken as it is', () => {
    expect(drawBatch(vectors(9), linear(6), { indices: [4, 1], seed: 3, batchSize: 5 })).toEqual({
      sampling: 'given',
      seed: 3,
      indices: [4, 1],
    })
    expect(drawBatch(vectors(9), linear(6), { indices: [8] }).seed).toBe(0)
    for (const indices of [[], [9], [-1]]) {
      expect(() => drawBatch(vectors(9), linear(6), { indices })).toThrow(
        expect.objectContaining({ code: 'ERR_INDICES' }),
      )
    }
  })
})

describe('the windows of a convolution', () => {
  it('are by default so many of each image that half of the directions stay free', () => {
    expect(windowsOf(convolution(54), 2, {})).toEqual({ windowsPerImage: 13, windowSeed: 0 }) // 54 / 2 / 2 = 13.5
    expect(windowsOf(convolution(54), 27, { seed: 4 })).toEqual({ windowsPerImage: 1, windowSeed: 4 })
    expect(windowsOf(convolution(54), 100, {})).toEqual({ windowsPerImage: 1, windowSeed: 0 })
    expect(windowsOf(convolution(54), 2, { windowsPerImage: 99, seed: 7 })).toEqual({
      windowsPerImage: 99,
      windowSeed: 7,
    })
  })

  it('are nothing to a linear layer', () => {
    expect(windowsOf(linear(54), 2, { windowsPerImage: 3, seed: 4 })).toEqual({})
  })
})
