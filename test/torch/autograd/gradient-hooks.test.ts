import { describe, expect, it } from 'vitest'
import { ScriptModule, scope, type Tensor, torch } from '../../../src/index.js'

import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const leaf = (...values: number[]) => torch.tensor(values, { requiresGrad: true })
const code = (name: string) => expect.objectContaining({ code: name })
const flat = (tensor: Tensor) => tensor.toTypedArray<Float64Array>()

describe('tensor.registerHook', () => {
  it('observes the gradient of a leaf and of what was computed', async () => {
    const x = leaf(1, 2)
    const y = x.square()
    const seen: unknown[] = []
    y.registerHook((gradient) => {
      seen.push(['y', gradient.toArray()])
      return undefined
    })
    x.registerHook((gradient) => {
      seen.push(['x', gradient.toArray()])
      return undefined
    })
    await y.mul(3).sum().backward()
    expect(seen).toEqual([
      ['y', [3, 3]],
      ['x', [6, 12]],
    ])
    expect(x.grad!.toArray()).toEqual([6, 12])
  })

  it('replaces it, one hook after another', async () => {
    const x = leaf(1, 2)
    const y = x.square()
    const seen: unknown[] = []
    y.registerHook((gradient) => gradient.mul(10))
    y.registerHook((gradient) => {
      seen.push(gradient.toArray())
      return gradient.add(1)
    })
    await y.sum().backward()
    expect([seen, x.grad!.toArray()]).toEqual([[[10, 10]], [22, 44]])
  })

  it('ends with remove, from within the hook and twice too', async () => {
    const x = leaf(1)
    const seen: string[] = []
    const once = x.registerHook((gradient) => {
      once.remove()
      seen.push('once')
      return gradient.mul(2)
    })
    const always = x.registerHook(() => {
      seen.push('always')
      return undefined
    })
    for (let i = 0; i < 2; i++) await x.sum().backward()
    expect([seen, x.grad!.toArray()]).toEqual([['once', 'always', 'always'], [3]])
    always.remove()
    always.remove()
    once.remove()
    await x.sum().backward()
    expect(seen).toHaveLength(3)
  })

  it('may be set by a hook, on the same tensor too', async () => {
    const x = leaf(1)
    const seen: string[] = []
    const first = x.registerHook(() => {
      first.remove()
      seen.push('first')
      for (let i = 0; i < 20; i++) {
        x.registerHook(() => {
          seen.push(`set ${i}`)
          return undefined
        })
      }
      return undefined
    })
    await x.sum().backward()
    await x.sum().backward()
    expect(seen.filter((name) => name === 'first')).toHaveLength(1)
    expect(new Set(seen).size).toBe(21)
  })

  it('can be removed once the tensor was disposed of', async () => {
    const x = leaf(1)
    let calls = 0
    const y = x.mul(2)
    const hook = y.registerHook(() => {
      calls++
      return undefined
    })
    const z = y.sum()
    y.dispose()
    await z.backward({ retainGraph: true })
    hook.remove()
    await z.backward()
    expect(calls).toBe(1)
    expect(() => y.registerHook(() => undefined)).toThrow(code('ERR_DISPOSED'))
  })

  it('that throws rejects the backward with its own error, and all continues', async () => {
    const x = leaf(1)
    const thrown = new RangeError('mine')
    const hook = x.registerHook(() => {
      throw thrown
    })
    const y = x.square().sum()
    const results = await Promise.allSettled([
      torch.autograd.grad([y], [x], { retainGraph: true }),
      torch.async.add(x, 1),
    ])
    expect(results[0]).toEqual({ status: 'rejected', reason: thrown })
    expect(results[1].status).toBe('fulfilled')
    hook.remove()
    await y.backward()
    expect(x.grad!.toArray()).toEqual([2])
  })

  it.each([
    ['a promise', async () => torch.ones([1]), 'ERR_HOOK_RESULT', /promise/],
    ['a number', () => 3, 'ERR_HOOK_RESULT', /number/],
    ['null', () => null, 'ERR_HOOK_RESULT', /object|null/],
    ['another shape', () => torch.ones([3]), 'ERR_TORCH', /size|shape/],
  ])('may not return %s', async (_, hook, expected, words) => {
    const x = leaf(1)
    x.registerHook(hook as never)
    await expect(x.square().sum().backward()).rejects.toMatchObject({
      code: expected,
      message: expect.stringMatching(words),
    })
    expect(x.grad).toBeNull()
  })

  it('is refused, as the gradient is, while a backward that may read it is pending', async () => {
    const x = torch.ones([400, 400], { dtype: 'float64' }).requires_grad_()
    const other = leaf(1)
    const y = x.matmul(x).matmul(x)
    const pending = y.sum().backward()
    const busy = code('ERR_BUSY')
    expect(() => x.registerHook(() => undefined)).toThrow(busy)
    expect(() => y.registerHook(() => undefined)).toThrow(busy)
    expect(() => x.grad).toThrow(busy)
    expect(() => {
      x.grad = null
    }).toThrow(busy)
    expect(other.grad).toBeNull()
    other.registerHook(() => undefined).remove()
    await pending
    expect(x.grad).not.toBeNull()
  })

  it('is refused on a tensor without gradients', () => {
    expect(() => torch.ones([1]).registerHook(() => undefined)).toThrow(/require/)
  })

  it('records only if the backward does', async () => {
    const x = leaf(2)
    const modes: boolean[] = []
    const y = x.mul(1)
    // Registered under noGrad, which does not matter.
    const hook = torch.noGrad(() =>
      y.registerHook((gradient) => {
        modes.push(torch.isGradEnabled())
        return gradient.square()
      }),
    )
    const z = y.pow(3).sum()
    const [first] = await torch.autograd.grad([z], [x], { createGraph: true })
    expect([modes, first!.toArray()]).toEqual([[true], [144]]) // (3x²)² = 9x⁴
    hook.remove()
    const [second] = await torch.autograd.grad([first!], [x])
    expect(second!.toArray()).toEqual([288]) // 36x³
    y.registerHook(() => {
      modes.push(torch.isGradEnabled())
      return undefined
    })
    await torch.autograd.grad([y.pow(3).sum()], [x])
    expect(modes).toEqual([true, false])
  })

  it('keeps tensors that it makes out of scopes that have ended', async () => {
    const x = leaf(1)
    let made: Tensor | undefined
    scope(() => {
      x.registerHook((gradient) => {
        made = gradient
        return undefined
      })
    })
    await x.mul(2).sum().backward()
    expect(made!.toArray()).toEqual([2])
  })
})

describe("the gradient of a module's hooked output", () => {
  const load = async () => (await ScriptModule.load(fixture('wiring.scripted.pt'))).eval()

  // The derivative with respect to the output of `encoder.linear`, by central differences in the loss.
  async function numerically(x: Tensor, row: number, column: number): Promise<number> {
    const losses = []
    for (const step of [1e-4, -1e-4]) {
      const module = await load()
      await module.to({ dtype: 'float64' })
      let calls = 0
      module.registerForwardHook(
        'step.linear',
        ({ output }) => {
          calls++
          const change = torch.zeros([2, 8], { dtype: 'float64' })
          change.setAt([row, column], step)
          return (output as Tensor).add(change)
        },
        { replace: true },
      )
      const loss = (await torch.noGrad(() => module.forward(x))).square().sum().item()
      expect(calls).toBe(1)
      losses.push(loss)
    }
    return (losses[0]! - losses[1]!) / 2e-4
  }

  it.each(['in a replacing hook', 'on a captured tensor'])('comes by registerHook %s', async (way) => {
    const module = await load()
    await module.to({ dtype: 'float64' })
    const x = randn([2, 8], 3, 'float64')
    const seen: Tensor[] = []
    const listen = (output: unknown) =>
      void (output as Tensor).registerHook((gradient) => {
        seen.push(gradient)
        return undefined
      })
    if (way === 'in a replacing hook') {
      module.registerForwardHook(
        'step.linear',
        ({ output }) => {
          listen(output)
          return undefined
        },
        { replace: true },
      )
    } else {
      module.registerForwardHook('step.linear', ({ output }) => listen(output))
    }
    const loss = (await module.forward(x)).square().sum()
    await loss.backward()
    expect(seen.map(({ shape }) => shape)).toEqual([[2, 8]])
    for (const [row, column] of [
      [0, 0],
      [1, 5],
    ] as const) {
      expect(seen[0]!.at(row, column).item()).toBeCloseTo(await numerically(x, row, column), 6)
    }
  })

  it('may be replaced, which stops all gradients before it', async () => {
    const module = await load()
    const x = randn([2, 8], 3)
    module.registerForwardHook('step', ({ output }) => void (output as Tensor).registerHook((g) => g.mul(0)))
    const [early, late] = ['shared.linear.weight', 'fc.weight'].map(
      (name) => module.namedParameters().get(name)!,
    )
    const [before, after] = await torch.autograd.grad([(await module.forward(x)).sum()], [early!, late!])
    expect(before!.abs().max().item()).toBe(0)
    expect(after!.abs().max().item()).toBeGreaterThan(0)
  })

  it('follows createGraph, as without a hook', async () => {
    const module = await load()
    const x = randn([2, 8], 3)
    const weight = module.namedParameters().get('fc.weight')!
    const penalty = async () => {
      const [gradient] = await torch.autograd.grad([(await module.forward(x)).square().sum()], [weight], {
        createGraph: true,
      })
      return (await torch.autograd.grad([gradient!.square().sum()], [weight]))[0]!
    }
    const plain = await penalty()
    const modes: boolean[] = []
    module.registerForwardHook(
      'step',
      ({ output }) =>
        void (output as Tensor).registerHook((gradient) => {
          modes.push(torch.isGradEnabled())
          return gradient.clone()
        }),
    )
    // No gradient reaches the output of `step` where that of `fc.weight` alone is asked for: ask for an earlier one.
    await torch.autograd.grad(
      [(await module.forward(x)).sum()],
      [module.namedParameters().get('shared.linear.weight')!],
      {
        createGraph: true,
      },
    )
    expect(modes).toEqual([true])
    expect(largestDifference(flat(await penalty()), flat(plain))).toBeLessThan(1e-6)
  })
})
