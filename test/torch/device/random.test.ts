import { beforeAll, describe, expect, it } from 'vitest'
import { torch } from '../../../src/index.js'
import type { Generator } from '../../../src/torch/index.js'

import { reference } from '../../support/python.js'

/** The draws of test/reference/random_numbers.py. */
function draw(generator?: Generator): unknown[] {
  const options = { generator: generator ?? null }
  return [
    torch.randn([7], options),
    torch.rand([3], { dtype: 'float64', ...options }),
    torch.randperm(10, options),
    torch.randint(0, 1000, [5], options),
    torch.bernoulli(torch.full([20], 0.3), options),
  ].map((tensor) => tensor.toArray())
}

const bytes = (state: readonly number[]) => torch.tensor(Uint8Array.from(state))

const seeds = [0, 1234, -1, 2n ** 64n - 1n]
// biome-ignore lint/suspicious/noExplicitAny: what the reference prints
let references: Record<string, any>
beforeAll(async () => {
  references = await reference('random_numbers', { seeds: seeds.map(String) })
})

describe.each(seeds)('the seed %s', (seed) => {
  it('draws what Python draws, from the global source and from a generator', () => {
    const python = references[String(seed)]
    torch.manualSeed(seed)
    expect(String(torch.initialSeed())).toBe(python.initial)
    expect(draw()).toEqual(python.draws)
    expect(torch.getRngState().toArray()).toEqual(python.state)
    expect(draw()).toEqual(python.next)
    const generator = new torch.Generator(seed)
    expect(draw(generator)).toEqual(python.generator)
    expect(generator.getState().toArray()).toEqual(python.generatorState)
    expect(String(generator.initialSeed())).toBe(python.initial)
    torch.manualSeed(seed)
    expect(torch.dropout(torch.ones([10]), 0.5, true).toArray()).toEqual(python.dropout)
    expect(String(new torch.Generator().initialSeed())).toBe(python.unseeded)
    torch.manualSeed(7)
    torch.setRngState(bytes(python.state))
    expect(draw()).toEqual(python.next)
    expect(draw(new torch.Generator(8).setState(bytes(python.state)))).toEqual(python.next)
  })
})

describe('random numbers', () => {
  it('continue from a state that was kept, also off the event loop', async () => {
    torch.manualSeed(3)
    const state = torch.getRngState()
    const first = (await torch.async.randn([4])).toArray()
    expect(torch.randn([4]).toArray()).not.toEqual(first)
    torch.setRngState(state)
    expect(torch.randn([4]).toArray()).toEqual(first)
  })

  it('of a generator leave the global source alone, and begin anew with its seed', () => {
    torch.manualSeed(3)
    const state = torch.getRngState().toArray()
    const generator = new torch.Generator(5)
    const first = draw(generator)
    expect(torch.getRngState().toArray()).toEqual(state)
    expect(draw(generator.manualSeed(5))).toEqual(first)
    expect(generator.device).toBe('cpu')
    const chosen = generator.seed()
    expect(generator.initialSeed()).toBe(chosen)
    expect(draw(new torch.Generator(chosen))).toEqual(draw(generator))
  })

  it('begin from a seed of the system on request', () => {
    const seed = torch.seed()
    expect(torch.initialSeed()).toBe(seed)
    expect(torch.seed()).not.toBe(seed)
  })

  it('refuse what is no seed and what is no state', () => {
    for (const seed of [1.5, Number.NaN, 2 ** 53, 2n ** 64n, -(2n ** 63n) - 1n, '1' as unknown as number]) {
      expect(() => new torch.Generator(seed)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      )
      expect(() => torch.manualSeed(seed)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
    }
    const before = torch.getRngState().toArray()
    expect(() => torch.setRngState(bytes([1, 2, 3]))).toThrow(/Expected a CPUGeneratorImplState of size 5056/)
    expect(() => torch.setRngState(torch.zeros([5056]))).toThrow(/RNG state must be a torch.ByteTensor/)
    expect(() => torch.setRngState(bytes(new Array(5056).fill(0)))).toThrow(/Invalid mt19937 state/)
    expect(torch.getRngState().toArray()).toEqual(before)
    expect(() => new torch.Generator(1, { device: 'nowhere' })).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE' }),
    )
  })
})
