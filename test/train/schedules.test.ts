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

  it('is described by its name and numbers', () => {
    expect(constantRate.description).toEqual({ name: 'constant' })
    expect(multiStep([0.5, 3]).description).toEqual({ name: 'multiStep', milestones: [0.5, 3], gamma: 0.1 })
    expect(multiStep([2], 0.5).description).toEqual({ name: 'multiStep', milestones: [2], gamma: 0.5 })
    expect(cosine().description).toEqual({ name: 'cosine', minimum: 0, per: 'epoch' })
    expect(cosine({ minimum: 0.5, per: 'batch' }).description).toEqual({
      name: 'cosine',
      minimum: 0.5,
      per: 'batch',
    })
    expect(oneCycle().description).toEqual({ name: 'oneCycle', rise: 0.3, divisor: 25, finalDivisor: 1e4 })
    expect(oneCycle({ rise: 0.5, divisor: 2, finalDivisor: 4 }).description).toEqual({
      name: 'oneCycle',
      rise: 0.5,
      divisor: 2,
      finalDivisor: 4,
    })
    expect(warmUp(constantRate, 2).description).toEqual({
      name: 'warmUp',
      epochs: 2,
      start: 1 / 3,
      schedule: { name: 'constant' },
    })
  })

  it('falls at its milestones: whole epochs, and parts of the run rounded down', () => {
    const at = (schedule: Schedule, epoch: number, of = 7) =>
      schedule.factor({ epoch, batch: 0, batchesPerEpoch: 5, epochs: of })
    const half = multiStep([0.5], 0.5) // of 7 epochs from 3 on
    expect([2, 3, 4].map((epoch) => at(half, epoch))).toEqual([1, 0.5, 0.5])
    const first = multiStep([1, 3], 0.5)
    expect([0, 1, 2, 3, 4].map((epoch) => at(first, epoch))).toEqual([1, 0.5, 0.5, 0.25, 0.25])
    expect(at(multiStep([], 0.5), 6)).toBe(1)
    expect(at(multiStep([2], 0), 2)).toBe(0)
    expect([0, 3, 6].map((epoch) => at(constantRate, epoch))).toEqual([1, 1, 1])
  })

  it('of one cycle rises to 1 in its part of the run, and falls to almost nothing', () => {
    const cycle = factors(oneCycle({ rise: 0.5, divisor: 4, finalDivisor: 8 }))
    // 40 steps: up to step 19, down to step 39.
    const half = (from: number, to: number, part: number) =>
      (from + to) / 2 + ((from - to) / 2) * Math.cos(Math.PI * part)
    const expected = cycle.map((_, step) =>
      step < 19 ? half(0.25, 1, step / 19) : half(1, 0.25 / 8, (step - 19) / 20),
    )
    expect(largestDifference(cycle, expected)).toBeLessThan(1e-12)
    expect([cycle[0], cycle[19], cycle[39]]).toEqual([0.25, 1, 0.03125].map((x) => expect.closeTo(x, 12)))
  })

  it('takes the numbers at the edges of what is right', () => {
    for (const make of [
      () => multiStep([1, 0.999, 1e-9], 0),
      () => cosine({ minimum: 0 }),
      () => warmUp(constantRate, 0, 0),
      () => warmUp(constantRate, 0.5, 1),
      () => oneCycle({ rise: 0, divisor: 1, finalDivisor: 1 }),
    ])
      expect(make).not.toThrow()
    expect(factors(warmUp(constantRate, 1)).slice(0, 6)).toEqual(
      [1 / 3, 7 / 15, 9 / 15, 11 / 15, 13 / 15, 1].map((factor) => expect.closeTo(factor, 12)),
    )
  })

  it('names the number that is out of range', () => {
    for (const [name, make] of [
      ['milestones', () => multiStep(3 as never)],
      ['a milestone', () => multiStep([-1])],
      ['a milestone', () => multiStep([2.5])],
      ['gamma', () => multiStep([2], Number.NaN)],
      ['options', () => cosine(3 as never)],
      ['minimum', () => cosine({ minimum: -1 })],
      ['schedule', () => warmUp(3 as never, 1)],
      ['epochs', () => warmUp(constantRate, -1)],
      ['start', () => warmUp(constantRate, 1, -0.1)],
      ['options', () => oneCycle(3 as never)],
      ['rise', () => oneCycle({ rise: -0.1 })],
      ['divisor', () => oneCycle({ divisor: 0.9 })],
      ['finalDivisor', () => oneCycle({ finalDivisor: 0.9 })],
      ['factor', () => customSchedule('none', 1 as never)],
    ] as const) {
      expect(make).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_ARGUMENT',
          message: expect.stringMatching(new RegExp(`for ${name}\\b`)),
        }),
      )
    }
  })
})
