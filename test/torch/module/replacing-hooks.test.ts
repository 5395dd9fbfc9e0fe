import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ScriptModule, scope, type Tensor, torch } from '../../../src/index.js'
import type { Value } from '../../../src/torch/index.js'

import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const model = fixture('wiring.scripted.pt')
const load = async () => (await ScriptModule.load(model)).eval()
const flat = (value: Value) => (value as Tensor).toTypedArray() as Float32Array

function double(value: Value): Value {
  if (value instanceof Map) return new Map([...value].map(([key, element]) => [key, double(element)]))
  return (value as Tensor).mul(2)
}

describe('a hook that replaces', () => {
  it.each([
    ['shared', false],
    ['shared', true],
    ['norm', false],
    ['encoder', true],
    ['table', false],
    ['table', true],
    ['step', false],
  ])('on %s, before: %s, gives outputs and gradients of Python', async (path, before) => {
    const module = await load()
    // Scripting makes two instances of a module that is shared, with the same weights: each name is hooked.
    for (const name of path === 'shared' ? ['shared', 'alias'] : [path]) {
      if (before) module.registerForwardPreHook(name, ({ inputs }) => inputs.map(double), { replace: true })
      else module.registerForwardHook(name, ({ output }) => double(output), { replace: true })
    }
    const x = randn([3, 8], 1).requires_grad_()
    const output = await module.forward(x)
    const weight = module.namedParameters().get('shared.linear.weight')!
    const [ofWeight, ofInput] = await torch.autograd.grad([output.square().sum()], [weight, x])
    const python = await reference('replacing_hook', { model, path, before, shape: [3, 8], seed: 1 })
    expect(largestDifference(flat(output), python.output)).toBeLessThan(1e-5)
    expect(largestDifference(flat(ofWeight!), python.weight)).toBeLessThan(1e-4)
    expect(largestDifference(flat(ofInput!), python.input)).toBeLessThan(1e-4)
  })

  it('replaces the inputs and the output of the root too', async () => {
    const module = await load()
    const x = randn([2, 8], 2)
    const plain = flat(await torch.noGrad(() => module.forward(x.mul(3)))).map((value) => -value)
    module.registerForwardPreHook('', ({ inputs }) => [(inputs[0] as Tensor).mul(3)], { replace: true })
    module.registerForwardHook('', ({ output }) => (output as Tensor).neg(), { replace: true })
    expect(largestDifference(flat(await torch.noGrad(() => module.forward(x))), plain)).toBeLessThan(1e-6)
  })

  it('leaves what it returns nothing for, and sees what those before it returned', async () => {
    const module = await load()
    const seen: number[] = []
    const sum = ({ output }: { output: Value }) => {
      seen.push((output as Tensor).abs().sum().item())
      return undefined
    }
    module.registerForwardHook('fc', sum, { replace: true })
    module.registerForwardHook('fc', ({ output }) => (output as Tensor).mul(0), { replace: true })
    module.registerForwardHook('fc', sum)
    const output = await module.forward(randn([2, 8], 3))
    expect(seen[0]).toBeGreaterThan(0)
    expect(seen[1]).toBe(0)
    expect(flat(output).every((value) => value === 0)).toBe(true)
  })

  it('runs in the context of the call: modes and scopes hold for it', async () => {
    const module = await load()
    let made: Tensor | undefined
    const modes: boolean[] = []
    module.registerForwardHook(
      'step',
      () => {
        modes.push(torch.isGradEnabled())
        made = torch.ones([1])
        return undefined
      },
      { replace: true },
    )
    await scope(async () => {
      await torch.noGrad(() => module.forward(randn([2, 8], 3)))
      expect(made!.disposed).toBe(false)
    })
    expect([modes, made!.disposed]).toEqual([[false], true])
  })

  it('that throws rejects the forward with its own error, and all continues', async () => {
    const module = await load()
    const thrown = new RangeError('mine')
    const hook = module.registerForwardHook(
      'table',
      () => {
        throw thrown
      },
      { replace: true },
    )
    const x = randn([2, 8], 3)
    const [failed, after] = await Promise.allSettled([module.forward(x), torch.async.add(x, 1)])
    expect(failed).toEqual({ status: 'rejected', reason: thrown })
    expect(after.status).toBe('fulfilled')
    hook.remove()
    expect((await module.forward(x)).shape).toEqual([2, 4])
  })

  it('may not return something else, nor a promise', async () => {
    const module = await load()
    const x = randn([2, 8], 3)
    const wrong = module.registerForwardHook('step', () => 'text', { replace: true })
    await expect(module.forward(x)).rejects.toMatchObject({
      code: 'ERR_HOOK_RESULT',
      message: expect.stringMatching(/'step' is expected to return Tensor.*'text'/),
    })
    wrong.remove()
    module.registerForwardHook('step', (async () => x) as never, { replace: true })
    await expect(module.forward(x)).rejects.toMatchObject({ code: 'ERR_HOOK_RESULT' })
  })

  it('may remove itself and set others, which hold from the next call on', async () => {
    const module = await load()
    const seen: string[] = []
    const first = module.registerForwardHook(
      'encoder',
      () => {
        first.remove()
        module.registerForwardHook('fc', () => void seen.push('fc'))
        seen.push('encoder')
        return undefined
      },
      { replace: true },
    )
    for (let i = 0; i < 2; i++) await module.forward(randn([2, 8], 3))
    expect(seen).toEqual(['encoder', 'fc'])
  })

  it('leaves the event loop free while the lane computes', async () => {
    const module = await load()
    module.registerForwardHook('step', () => undefined, { replace: true })
    // What returns nothing at all type-checks, too.
    module.registerForwardHook('step', () => {}, { replace: true })
    module.registerForwardPreHook('step', ({ inputs }) => void inputs.length, { replace: true })
    module.registerForwardHook(
      'step',
      function look({ path }): void {
        path.length
      },
      { replace: true },
    )
    const pending = module.forward(randn([2, 8], 3))
    await setTimeout(1)
    await pending
  })
})

describe('a hook that observes', () => {
  it('sees the value of the moment if the network overwrites it later', async () => {
    const module = await load()
    const values: Float32Array[] = []
    module.registerForwardHook('norm', ({ output }) => void values.push(flat(output)))
    module.registerForwardHook('relu', ({ output }) => void values.push(flat(output)))
    await torch.noGrad(() => module.forward(randn([4, 8], 5)))
    expect(values[0]!.some((value) => value < 0)).toBe(true)
    expect(values[1]).toEqual(values[0]!.map((value) => Math.max(value, 0)))
  })

  it('receives other methods of the submodule and of the root if asked to', async () => {
    const module = await load()
    const seen: string[] = []
    const listen = (name: string) => () => void seen.push(name)
    module.registerForwardHook('shared', listen('shared'))
    module.registerForwardHook('encoder', listen('encode'), { method: 'encode' })
    module.registerForwardHook('encoder', listen('forward'))
    const x = randn([2, 8], 3)
    await module.forward(x)
    expect(seen).toEqual(['shared', 'forward', 'encode'])
    seen.length = 0
    await module.call('features', x)
    expect(seen).toEqual(['shared', 'forward'])
  })

  it('on the root hears the method that it asks for alone, and its inputs as they are', async () => {
    const module = await load()
    const seen: string[] = []
    const inputs: Tensor[] = []
    module.registerForwardHook('', () => void seen.push('forward'))
    module.registerForwardHook('', () => void seen.push('features'), { method: 'features' })
    module.registerForwardPreHook('', (event) => void inputs.push(event.inputs[0] as Tensor))
    const x = randn([2, 8], 3).requires_grad_()
    await module.call('features', x)
    expect(seen).toEqual(['features'])
    const output = await module.forward(x)
    expect(seen).toEqual(['features', 'forward'])
    const [throughX, throughCapture] = await torch.autograd.grad([output.sum()], [x, inputs[0]!])
    expect(throughCapture!.toArray()).toEqual(throughX!.toArray())
  })

  it('gets dicts, and what was detached, reduced and moved natively', async () => {
    const module = await load()
    const seen: Value[] = []
    module.registerForwardHook('table', ({ output }) => void seen.push(output))
    module.registerForwardHook('table', ({ output }) => void seen.push(output), {
      detach: true,
      reduce: 'mean',
      device: 'cpu',
    })
    await module.forward(randn([2, 8], 3))
    const [whole, means] = seen as Map<string, Tensor>[]
    expect([...means!.keys()]).toEqual(['sum', 'product'])
    for (const [name, tensor] of means!) {
      expect(tensor.requiresGrad).toBe(false)
      expect(tensor.item()).toBeCloseTo(whole!.get(name)!.mean().item(), 5)
      expect(whole!.get(name)!.requiresGrad).toBe(true)
    }
  })

  it('is set by globs', async () => {
    const module = await load()
    const seen: string[] = []
    const hooks = module.registerForwardHook('*.linear', ({ path }) => void seen.push(path))
    await module.forward(randn([2, 8], 3))
    expect(seen).toEqual(['shared.linear', 'alias.linear', 'encoder.linear', 'encoder.linear', 'step.linear'])
    hooks.remove()
    seen.length = 0
    await module.forward(randn([2, 8], 3))
    expect(seen).toEqual([])
    expect(() => module.registerForwardHook('nothing.*', () => {})).toThrow(
      expect.objectContaining({ code: 'ERR_NO_SUCH_MODULE' }),
    )
  })
})
