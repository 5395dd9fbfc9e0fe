import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { keepTensor, memoryStats, ScriptModule, scope, type Tensor, torch } from '../../../src/index.js'
import { emptyCache } from '../../../src/torch/index.js'

import { demoModel } from '../../support/paths.js'

describe('scope', () => {
  it('frees what was made in it and keeps what it returns', () => {
    let inner: Tensor | undefined
    const { out, list } = scope(() => {
      inner = torch.ones([2])
      return { out: inner.add(1), list: [inner.add(2)] }
    })
    expect(inner!.disposed).toBe(true)
    expect(out.toArray()).toEqual([2, 2])
    expect(list[0]!.toArray()).toEqual([3, 3])
  })

  it('keeps what it returns in a map, a list in it, and undoes nothing of it', async () => {
    const make = () => {
      const gone = torch.ones([1])
      const map = new Map([
        ['one', { tensors: [torch.full([1], 1)] }],
        ['two', { tensors: [torch.full([1], 2)] }],
      ])
      return { gone, map }
    }
    let gone: Tensor | undefined
    const body = () => {
      const made = make()
      gone = made.gone
      return made.map
    }
    for (const map of [scope(body), await scope(async () => body())]) {
      expect([...map].map(([name, { tensors }]) => [name, tensors[0]!.item()])).toEqual([
        ['one', 1],
        ['two', 2],
      ])
      expect(gone!.disposed).toBe(true)
    }
  })

  it('frees on an error too', async () => {
    let made: Tensor | undefined
    const fail = () => {
      made = torch.ones([1])
      throw new Error('no')
    }
    expect(() => scope(fail)).toThrow('no')
    expect(made!.disposed).toBe(true)
    await expect(scope(async () => fail())).rejects.toThrow('no')
    expect(made!.disposed).toBe(true)
  })

  it('holds across await, and two that interleave do not touch each other', async () => {
    const task = () =>
      scope(async () => {
        const mine = torch.ones([1])
        await setTimeout(5)
        const late = torch.ones([1])
        await setTimeout(5)
        expect(mine.disposed || late.disposed).toBe(false)
        return { mine, late: keepTensor(late) }
      })
    const [a, b] = await Promise.all([task(), task()])
    for (const tensor of [a.mine, a.late, b.mine, b.late]) expect(tensor.disposed).toBe(false)
  })

  it('keeps what is in a circle, a set, or deep', () => {
    type Node = { tensor: Tensor; next?: unknown }
    const circle = scope(() => {
      const first: Node = { tensor: torch.ones([1]) }
      first.next = [first, new Map([[torch.ones([2]), first]])]
      return first
    })
    expect(circle.tensor.disposed).toBe(false)
    const [, map] = circle.next as [Node, Map<Tensor, Node>]
    expect([...map.keys()][0]!.disposed).toBe(false)
    const set = scope(() => new Set([torch.ones([1])]))
    expect([...set][0]!.disposed).toBe(false)
    const bare = scope(() => Object.assign(Object.create(null), { tensor: torch.ones([1]) }))
    expect(bare.tensor.disposed).toBe(false)
    let deep: Node = scope(() => {
      let nested: Node = { tensor: torch.ones([1]) }
      for (let i = 0; i < 100_000; i++) nested = { tensor: nested.tensor, next: nested }
      return nested
    })
    while (deep.next !== undefined) deep = deep.next as Node
    expect(deep.tensor.disposed).toBe(false)
  })

  it('waits for any object with then, in its own context', async () => {
    let made: Tensor | undefined
    const lazy = (fail: boolean) => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what query builders return
      async then(resolve: (value: Tensor) => void, reject: (reason: Error) => void) {
        made = torch.ones([1])
        await setTimeout(5)
        if (fail) reject(new Error('no'))
        else resolve(made.add(1))
      },
    })
    const result = await scope(() => lazy(false))
    expect([result.toArray(), made!.disposed]).toEqual([[2], true])
    await expect(scope(() => lazy(true))).rejects.toThrow('no')
    expect(made!.disposed).toBe(true)
  })

  it('hands its result to the scope around', () => {
    let result: Tensor | undefined
    scope(() => {
      result = scope(() => torch.ones([1]))
      expect(result.disposed).toBe(false)
    })
    expect(result!.disposed).toBe(true)
  })
})

describe('noGrad', () => {
  it('holds across await, and only within', async () => {
    const inside = torch.noGrad(async () => {
      await setTimeout(5)
      return torch.isGradEnabled()
    })
    expect(torch.isGradEnabled()).toBe(true)
    expect(await inside).toBe(false)
  })
})

describe('memory', () => {
  it('stays flat in a loop that never yields', () => {
    const megabyte = torch.ones([2 ** 18])
    let peak = 0
    for (let i = 0; i < 3000; i++) {
      megabyte.add(1)
      peak = Math.max(peak, memoryStats().bytes)
    }
    // 3 GB were allocated; what waits for the collector at any time is a small part of it.
    expect(peak).toBeLessThan(400e6)
  })

  it('is counted exactly', () => {
    const before = memoryStats()
    const tensor = torch.ones([1000])
    expect(memoryStats().bytes - before.bytes).toBe(4000)
    tensor.dispose()
    expect(memoryStats().bytes).toBe(before.bytes)
  })

  it('of the whole process includes what only a graph holds', () => {
    const w = torch.ones([2 ** 22]).requires_grad_()
    const loss = scope(() => w.exp().sum()) // its graph keeps exp(w)
    const held = memoryStats().allocatedBytes
    loss.dispose()
    expect(held - memoryStats().allocatedBytes).toBeGreaterThanOrEqual(4 * 2 ** 22)
    expect(w.disposed).toBe(false)
  })

  it('of large tensors is kept for those to come, until it is asked back', () => {
    const tensor = torch.zeros([2 ** 20])
    const before = memoryStats().cachedBytes
    tensor.dispose()
    expect(memoryStats().cachedBytes - before).toBeGreaterThanOrEqual(2 ** 22)
    emptyCache()
    expect(memoryStats().cachedBytes).toBe(0)
  })

  it('that is not there is reported, whatever is kept', () => {
    torch.zeros([2 ** 20]).dispose()
    expect(() => torch.zeros([2 ** 45])).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }))
    expect(
      torch
        .ones([2 ** 20])
        .sum()
        .item(),
    ).toBe(2 ** 20)
  })

  it('of a disposed tensor is used again, and never seen through it', () => {
    const gone = Array.from({ length: 8 }, () => torch.zeros([1]))
    for (const tensor of gone) tensor.dispose()
    const later = Array.from({ length: 8 }, (_, i) => torch.full([1], i))
    for (const tensor of gone) {
      tensor.dispose()
      expect(tensor.disposed).toBe(true)
      expect(() => tensor.add(1)).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
      expect(() => torch.cat([tensor])).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    }
    expect(later.map((tensor) => tensor.item())).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('that only graphs of gradients hold is collected too', async () => {
    const module = await ScriptModule.load(demoModel)
    const images = torch.rand([32, 1, 28, 28])
    const before = process.memoryUsage().rss
    for (let i = 0; i < 300; i++) await module.forward(images)
    // Each graph holds some 10 MB of activations behind 1,280 bytes of logits.
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(500)
  })
})
