import { describe, expect, it } from 'vitest'
import { classesCovered, type Dataset } from '../../src/data/index.js'
import { sampleIndices } from '../../src/index.js'

/** Labels alone: sampling never loads an image. */
function labelled(labels: number[]): Dataset {
  return {
    name: 'labels',
    size: labels.length,
    classes: Array.from({ length: Math.max(...labels) + 1 }, (_, i) => String(i)),
    labels: Int32Array.from(labels),
    load: () => Promise.reject(new Error('sampling must not load images')),
  }
}

const balanced = labelled(Array.from({ length: 1000 }, (_, i) => i % 10))

describe('sampleIndices', () => {
  it.each(['stratified', 'uniform'] as const)(
    'draws %s samples without replacement, the same by the same seed',
    (sampling) => {
      const draw = (seed: number) => sampleIndices(balanced, { size: 300, sampling, seed })
      expect(new Set(draw(1)).size).toBe(300)
      expect(draw(1)).toEqual(draw(1))
      expect(draw(1)).not.toEqual(draw(2))
      expect(draw(1).every((index) => index >= 0 && index < 1000)).toBe(true)
    },
  )

  it('takes evenly from all classes when stratified', () => {
    const counts = new Map<number, number>()
    for (const index of sampleIndices(balanced, { size: 37, sampling: 'stratified', seed: 3 })) {
      counts.set(index % 10, (counts.get(index % 10) ?? 0) + 1)
    }
    expect([...counts.values()].sort()).toEqual([3, 3, 3, 4, 4, 4, 4, 4, 4, 4])
  })

  it('begins with classes that it draws: of few samples no class is left out for good', () => {
    const times = Array<number>(10).fill(0)
    for (let seed = 0; seed < 300; seed++) {
      const chosen = sampleIndices(balanced, { size: 3, sampling: 'stratified', seed })
      expect(new Set(chosen.map((index) => index % 10)).size).toBe(3)
      for (const index of chosen) times[index % 10]!++
    }
    // 90 of each, with a standard deviation of 8.
    for (const count of times) expect(Math.abs(count - 90)).toBeLessThan(40)
  })

  it('continues with the others if a class runs out', () => {
    const rare = labelled([...Array(50).fill(0), ...Array(50).fill(1), 2])
    const chosen = sampleIndices(rare, { size: 21, sampling: 'stratified', seed: 0 })
    const counts = [0, 1, 2].map((label) => chosen.filter((index) => rare.labels[index] === label).length)
    expect(counts).toEqual([10, 10, 1])
    expect(classesCovered(rare, chosen)).toBe(3)
  })

  it('covers fewer classes when uniform and small', () => {
    const hundred = labelled(Array.from({ length: 10_000 }, (_, i) => i % 100))
    const covered = (sampling: 'stratified' | 'uniform') =>
      classesCovered(hundred, sampleIndices(hundred, { size: 100, sampling, seed: 0 }))
    expect(covered('stratified')).toBe(100)
    // 100 · (1 − 0.99¹⁰⁰) = 63.4 are expected.
    expect(covered('uniform')).toBeGreaterThan(50)
    expect(covered('uniform')).toBeLessThan(77)
  })

  it('takes all if as many are asked for, and refuses more', () => {
    const all = sampleIndices(balanced, { size: 1000, sampling: 'stratified', seed: 0 })
    expect([...all].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
    for (const size of [1001, 0, 1.5]) {
      expect(() => sampleIndices(balanced, { size, sampling: 'uniform', seed: 0 })).toThrow(
        expect.objectContaining({ code: 'ERR_BATCH_SIZE' }),
      )
    }
  })
})
