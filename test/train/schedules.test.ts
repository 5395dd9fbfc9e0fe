import { describe, expect, it } from 'vitest'
import { cosine, multiStep, oneCycle, warmUp } from '../../src/index.js'
import { constantRate, customSchedule, type Schedule } from '../../src/train/index.js'

import { reference } from '../support/python.js'
import { largestDifference } from '../support/tensors.js'

const epochs = 8
const batchesPerEpoch = 5

function factors(schedule: Schedule): number[] {
  const place = (step: number) => ({
    epoch: Math.floor(step / batchesPerEpoch),
    batch: step % batchesPerEpoch,
    batchesPerEpoch,
    epochs,
  })
  return Array.from({ length: epochs * batchesPerEpoch }, (_, step) => schedule.factor(place(step)))
}

describe('a schedule', () => {
  const expected = reference('schedules', { epochs, batches: batchesPerEpoch })

  it.each([
    ['multiStep', multiStep([0.5, 0.75])],
    ['multiStep', multiStep([4, 6])],
    ['cosine', cosine({ minimum: 0.05 })],
    ['cosineByBatch', cosine({ per: 'batch' })],
    ['warmUp', warmUp(constantRate, 2, 0.25)],
    ['oneCycle', oneCycle()],
  ])('%s is what PyTorch has', async (name, ours) => {
    const theirs: number[] = (await expected)[name]
    expect(theirs).toHaveLength(epochs * batchesPerEpoch)
    expect(new Set(theirs).size).toBeGreaterThan(1)
    expect(largestDifference(factors(ours), theirs)).toBeLessThan(1e-12)
  })

  it('rises before another one', () => {
    const found = factors(warmUp(multiStep([4]), 1, 0))
    expect(found.slice(0, 6)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(found[19]).toBe(1)
    expect(found[20]).toBe(0.1)
  })

  it.each([
    [0.5, [0, 1 / 3, 2 / 3, 1, 1]], // 2.5 batches: 3
    [0.25, [0, 1, 1, 1, 1]], // 1.25 batches: 1
    [0, [1, 1, 1, 1, 1]],
  ])('rises over the nearest whole number of batches: %d epochs', (rise, expected) => {
    expect(largestDifference(factors(warmUp(constantRate, rise, 0)).slice(0, 5), expected)).toBeLessThan(
      1e-12,
    )
  })

  it('may be any function of the place', () => {
    const halves = customSchedule('halves', ({ epoch }) => 0.5 ** epoch)
    expect(factors(halves)[12]).toBe(0.25)
    expect(halves.description).toEqual({ name: 'halves' })
  })

  it('refuses numbers out of range', () => {
    const wrong = [
      () => multiStep([0]),
      () => multiStep([1.5]),
      () => multiStep([2], -1),
      () => cosine({ minimum: -0.1 }),
      () => warmUp(constantRate, -1),
      () => warmUp(constantRate, 1, 2),
      () => oneCycle({ rise: 1 }),
      () => oneCycle({ divisor: 0.5 }),
      () => customSchedule('none', 1 as never),
    ]
    for (const make of wrong) expect(make).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})
