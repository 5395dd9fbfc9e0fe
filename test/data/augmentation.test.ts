import { describe, expect, it } from 'vitest'
import { Draws } from '../../src/data/index.js'
import { randomCrop, randomFlip, type Tensor, torch } from '../../src/index.js'

const same = (a: Tensor, b: Tensor) => a.shape.join() === b.shape.join() && a.equal(b)

describe('augmentation', () => {
  const images = () =>
    torch.randint(0, 256, [200, 3, 6, 5], { dtype: 'uint8', generator: new torch.Generator(1) })
  const draws = (seed: number) => new Draws(seed, 'cpu', 200)

  it('flips about half of the images, and changes nothing else', () => {
    const before = images()
    const after = randomFlip().apply(before, draws(4))
    let flipped = 0
    for (let i = 0; i < 200; i++) {
      const [was, is] = [before.select(0, i), after.select(0, i)]
      if (same(is, was.flip([2]))) flipped++
      else expect(same(is, was)).toBe(true)
    }
    expect(flipped).toBeGreaterThan(70)
    expect(flipped).toBeLessThan(130)
    expect(same(randomFlip(0).apply(before, draws(4)), before)).toBe(true)
  })

  it('crops each window of the padded image about as often', () => {
    const before = images()
    const after = randomCrop(1).apply(before, draws(2))
    const padded = before.constant_pad_nd([1, 1, 1, 1])
    const found = new Map<string, number>()
    for (let i = 0; i < 200; i++) {
      const places = []
      for (let y = 0; y < 3; y++) {
        for (let x = 0; x < 3; x++) {
          const window = padded.select(0, i).narrow(1, y, 6).narrow(2, x, 5)
          if (same(window, after.select(0, i))) places.push(`${y} ${x}`)
        }
      }
      expect(places).toHaveLength(1)
      found.set(places[0]!, (found.get(places[0]!) ?? 0) + 1)
    }
    expect(found.size).toBe(9)
    // 200 / 9 of each, with a standard deviation of 4.4.
    for (const count of found.values()) expect(Math.abs(count - 22.2)).toBeLessThan(18)
  })

  it('crops by a part of the draws of a batch as by all of them', () => {
    const before = images()
    for (const { apply } of [randomCrop(2), randomFlip()]) {
      const whole = apply(before, draws(3))
      const part = apply(before.narrow(0, 60, 50), new Draws(3, 'cpu', 200, { first: 60, count: 50 }))
      expect(same(part, whole.narrow(0, 60, 50))).toBe(true)
    }
  })

  it('refuses what is no probability, no padding, no part', () => {
    const wrong = [
      () => randomFlip(1.1),
      () => randomFlip(Number.NaN),
      () => randomCrop(0),
      () => randomCrop(1.5),
      () => new Draws(0, 'cpu', 4, { first: 2, count: 3 }),
      () => new Draws(0, 'cpu', 4, { first: -1, count: 3 }),
    ]
    for (const make of wrong) expect(make).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    expect([randomFlip(), randomCrop()].map(({ description }) => description)).toEqual([
      { name: 'randomFlip', probability: 0.5 },
      { name: 'randomCrop', padding: 4 },
    ])
  })
})
