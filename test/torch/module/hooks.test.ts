import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'
import type { Value } from '../../../src/torch/index.js'

import { fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const flat = (value: Value) => (value as Tensor).toTypedArray() as Float32Array

// One of several siblings of the same type in each network.
describe.each([
  ['resnet18', 'scripted', 'layer2.1'],
  ['resnet18', 'traced', 'layer2.1'],
  ['shufflenet_v2_x1_0', 'scripted', 'stage3.2.branch2'],
  ['shufflenet_v2_x1_0', 'traced', 'stage3.2.branch2'],
])('%s, %s', (architecture, form, path) => {
  it(`a hook on ${path} set after the first forward sees what Python's sees, and is gone after removal`, async () => {
    const file = fixture(`${architecture}.${form}.pt`)
    const model = (await ScriptModule.load(file)).eval()
    const x = randn([2, 3, 64, 64], 3)
    const run = () => torch.noGrad(() => model.forward(x))
    await run()

    const inputs: Value[] = []
    const outputs: Value[] = []
    const before = model.registerForwardPreHook(path, (event) => void inputs.push(event.inputs[0]))
    const after = model.registerForwardHook(path, (event) => void outputs.push(event.output))
    const logits = await run()
    expect([inputs.length, outputs.length]).toEqual([1, 1])

    const python = await reference('hooks', {
      model: file,
      architecture,
      path,
      shape: [2, 3, 64, 64],
      seed: 3,
    })
    expect(python.calls).toBe(1)
    expect(largestDifference(flat(inputs[0]!), python.input)).toBeLessThan(1e-5)
    expect(largestDifference(flat(outputs[0]!), python.output)).toBeLessThan(1e-5)
    expect(largestDifference(flat(logits), python.logits)).toBeLessThan(1e-5)

    await run()
    expect([inputs.length, outputs.length]).toEqual([2, 2])
    const saved = join(temporaryFolder(), 'hooked.pt')
    await model.save(saved)
    const loaded = await reference('forward', { model: saved, shape: [2, 3, 64, 64], seed: 3 })
    expect(loaded.mentionsTap).toBe(false)
    expect(largestDifference(flat(logits), loaded.output)).toBeLessThan(1e-5)

    before.remove()
    after.remove()
    await run()
    expect([inputs.length, outputs.length]).toEqual([2, 2])
  })
})

describe('hooks', () => {
  const load = () => ScriptModule.load(fixture('hooks.scripted.pt'))

  async function calls(...paths: string[]): Promise<string[]> {
    const model = await load()
    const seen: string[] = []
    for (const path of paths) model.registerForwardHook(path, (event) => void seen.push(event.path))
    await model.forward(torch.ones([2, 8]))
    return seen
  }

  it('see every call, in the order of the calls, in branches and loops too', async () => {
    expect(await calls('fc', 'loop', 'twice', 'branch', 'right', 'left')).toEqual([
      'left',
      'right',
      'twice',
      'twice',
      'branch',
      'loop',
      'loop',
      'loop',
      'fc',
    ])
  })

  it('reach submodules of submodules, and the root', async () => {
    expect(await calls('', 'twice.linear')).toEqual(['twice.linear', 'twice.linear', ''])
  })

  it('see tuples and several inputs', async () => {
    const model = await load()
    let inputs: readonly Value[] = []
    let output: Value = null
    model.registerForwardPreHook('join', (event) => {
      inputs = event.inputs
    })
    model.registerForwardHook('pair', (event) => {
      output = event.output
    })
    await model.forward(torch.ones([2, 8]))
    const [y, s] = output as unknown as [Tensor, Tensor]
    expect(inputs.map((input) => flat(input))).toEqual([flat(y), flat(s)])
    expect(largestDifference(flat(y.sigmoid()), flat(s))).toBeLessThan(1e-7)
  })

  it('leave gradients as they are, and captures are part of the graph', async () => {
    const model = await load()
    const weight = model.namedParameters().get('left.linear.weight')!
    const x = randn([2, 8], 4)
    const [plain] = await torch.autograd.grad([(await model.forward(x)).sum()], [weight])
    let captured: Tensor | undefined
    model.registerForwardHook('left', ({ output }) => {
      captured = output as Tensor
    })
    const loss = (await model.forward(x)).sum()
    const [hooked, throughCapture] = await torch.autograd.grad([loss], [weight, captured!])
    expect(largestDifference(flat(hooked!), flat(plain!))).toBeLessThan(1e-7)
    expect(throughCapture!.shape).toEqual([2, 8])
  })

  it('may remove themselves, and several may listen at one place', async () => {
    const model = await load()
    const seen: string[] = []
    const once = model.registerForwardHook('loop', () => {
      seen.push('once')
      once.remove()
    })
    model.registerForwardHook('loop', () => void seen.push('always'))
    await model.forward(torch.ones([1, 8]))
    expect(seen).toEqual(['once', 'always', 'always', 'always'])
  })

  it('that throw reject the forward and leave the model well', async () => {
    const model = await load()
    const hook = model.registerForwardHook('fc', () => {
      throw new Error('from the hook')
    })
    await expect(model.forward(torch.ones([1, 8]))).rejects.toThrow('from the hook')
    hook.remove()
    expect((await model.forward(torch.ones([1, 8]))).shape).toEqual([1, 4])
  })

  it('that are async are awaited, and reject the forward', async () => {
    const model = await load()
    const seen: string[] = []
    const hook = model.registerForwardHook('fc', async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      seen.push('hook')
    })
    await model.forward(torch.ones([1, 8])).then(() => void seen.push('forward'))
    expect(seen).toEqual(['hook', 'forward'])
    hook.remove()
    model.registerForwardPreHook('fc', async () => {
      throw new Error('from the promise')
    })
    await expect(model.forward(torch.ones([1, 8]))).rejects.toThrow('from the promise')
  })

  it('are functions', async () => {
    const model = await load()
    for (const wrong of [undefined, null, 5, 'hook', {}] as never[]) {
      const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
      expect(() => model.registerForwardHook('fc', wrong)).toThrow(refused)
      expect(() => model.registerForwardPreHook('fc', wrong)).toThrow(refused)
      expect(() => model.registerForwardHook('fc', wrong, { replace: true })).toThrow(refused)
    }
    expect(model.hooked).toBe(false)
  })

  it('set while a call is pending hold for later calls only', async () => {
    const model = await load()
    const seen: string[] = []
    const pending = model.forward(torch.ones([1, 8]))
    model.registerForwardHook('fc', () => void seen.push('fc'))
    await pending
    expect(seen).toEqual([])
    await model.forward(torch.ones([1, 8]))
    expect(seen).toEqual(['fc'])
  })

  it('are refused on paths that do not exist, with the nearest, and on frozen modules', async () => {
    const model = await load()
    expect(() => model.registerForwardHook('lefd', () => {})).toThrow("did you mean 'left'")
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    expect(() => frozen.registerForwardHook('fc', () => {})).toThrow(
      expect.objectContaining({ code: 'ERR_FROZEN' }),
    )
  })
})
