import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'
import type { NamedTuple, Value } from '../../../src/torch/index.js'

import { fixture } from '../../support/paths.js'

const code = (name: string) => expect.objectContaining({ code: name })
const load = () => ScriptModule.load(fixture('values.scripted.pt'))
const array = (value: Value) => (value as Tensor).toArray()

describe('methods convert by their schemas', () => {
  it('NamedTuples, from arrays and from their fields', async () => {
    const module = await load()
    for (const point of [[torch.tensor([1, 2]), 3], { x: torch.tensor([1, 2]), label: 3 }]) {
      // A plain object at the end is taken for keywords first; where those don't fit it is the argument.
      const result = (await module.call('point', point)) as NamedTuple<{ x: Tensor; label: number }>
      expect(result.x.toArray()).toEqual([2, 3])
      expect([result.label, result[1], result.length]).toEqual([6, 6, 2])
    }
  })

  it('dicts, from plain objects and maps, and back with keys of their types', async () => {
    const module = await load()
    const inverted = new Map([
      [1, 'a'],
      [2, 'b'],
    ])
    expect(await module.call('invert', { a: 1, b: 2 })).toEqual(inverted)
    expect(await module.call('invert', new Map(Object.entries({ a: 1, b: 2 })))).toEqual(inverted)
    expect(await module.call('invert', { table: new Map([['a', 7]]) })).toEqual(new Map([[7, 'a']]))
    await expect(module.call('invert', { a: 'text' })).rejects.toEqual(code('ERR_METHOD_ARGUMENTS'))
  })

  it('lists of tuples, optionals, defaults and keywords', async () => {
    const module = await load()
    const pairs = [
      [1, 'one'],
      [2, null],
    ]
    expect(await module.call('nested', pairs)).toEqual([['one', null], 6])
    expect(await module.call('nested', pairs, { scale: 0.5 })).toEqual([['one', null], 1.5])
    expect(await module.call('nested', [])).toEqual([[], 0])
  })

  it('lists and dicts of tensors', async () => {
    const module = await load()
    const plain = (await module.call('batch', [torch.ones([1]), torch.zeros([1])])) as Map<string, Tensor[]>
    expect(plain.get('doubled')!.map(array)).toEqual([[2], [0]])
    const kept = (await module.call('batch', [], new Map([['k', torch.ones([2])]]))) as Map<string, Tensor[]>
    expect(kept.get('kept')!.map(array)).toEqual([[1, 1]])
  })

  it('and refuse what is nested endlessly', async () => {
    const module = await load()
    const endless: unknown[] = []
    endless.push(endless)
    await expect(module.call('nested', endless)).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
  })
})

describe('attributes', () => {
  it('are listed with their types, read and written', async () => {
    const module = await load()
    expect(module.attributes.get('counts')).toBe('Dict[str, int]')
    expect(module.attribute('counts')).toEqual(new Map([['a', 1]]))
    module.setAttribute('counts', { b: 2 })
    expect(module.attribute('counts')).toEqual(new Map([['b', 2]]))
    expect([module.attribute('scale'), module.attribute('names')]).toEqual([2.5, ['a', 'b']])
    expect(array(module.attribute('offset'))).toEqual([1, 1])
    expect(() => module.setAttribute('names', 3)).toThrow(/'names' expects List\[str\] but received int 3/)
    expect(() => module.attribute('nothing')).toThrow(code('ERR_NO_ATTRIBUTE'))
  })
})

describe('modules', () => {
  it('tell their methods, code and graph', async () => {
    const module = await load()
    expect(module.methods).toContain('invert(Dict(str, int) table) -> Dict(int, str)')
    expect(module.code('fail')).toMatch(/^def fail\(self,\n {4}x: int\) -> int:/)
    expect(module.graph('fail')).toContain('prim::RaiseException')
    const wiring = await ScriptModule.load(fixture('wiring.scripted.pt'))
    expect(wiring.graph('features')).toContain('prim::CallMethod')
    expect(wiring.graph('features', { inlined: true })).not.toContain('prim::CallMethod')
    await expect(module.call('nothing')).rejects.toThrow(/has no 'nothing'; it has: .*invert/)
  })

  it('tell the same inlined graph after they ran', async () => {
    const module = await ScriptModule.load(fixture('resnet18.scripted.pt'))
    const fresh = await ScriptModule.load(fixture('resnet18.scripted.pt'))
    await module.forward(torch.ones([1, 3, 32, 32]))
    const inlined = module.graph('forward', { inlined: true })
    expect(inlined).not.toContain('prim::CallMethod')
    expect(inlined.match(/aten::conv2d/g)).toEqual(
      fresh.graph('forward', { inlined: true }).match(/aten::conv2d/g),
    )
  })

  it('give their submodules, which share their weights', async () => {
    const module = await ScriptModule.load(fixture('wiring.scripted.pt'))
    const encoder = module.submodule('encoder')
    const x = torch.ones([1, 8])
    expect([...module.children().keys()]).toContain('fc')
    const before = await encoder.forward(x)
    module.namedParameters().get('encoder.linear.bias')!.detach().fill_(100)
    expect(before.toArray()).not.toEqual((await encoder.forward(x)).toArray())
    expect((await encoder.forward(x)).toArray()).toEqual([Array(8).fill(1)])
    expect(() => module.submodule('encodr')).toThrow("did you mean 'encoder'")
  })

  it('are copied with weights of their own', async () => {
    const module = await ScriptModule.load(fixture('wiring.scripted.pt'))
    const copy = await module.clone()
    copy.namedParameters().get('fc.bias')!.detach().fill_(7)
    expect(array(module.namedParameters().get('fc.bias')!)).not.toEqual(Array(4).fill(7))
    expect(copy.extraFiles).toEqual(module.extraFiles)
    const facts = (of: ScriptModule) =>
      of.parameters().map(({ isLeaf, requiresGrad, shape }) => ({ isLeaf, requiresGrad, shape }))
    expect(facts(copy)).toEqual(facts(module))
  })

  it('move to another dtype and memory format, and keep who holds a parameter', async () => {
    const module = await ScriptModule.load(fixture('resnet18.scripted.pt'))
    const weight = module.namedParameters().get('conv1.weight')!
    await module.to({ dtype: 'float64', memoryFormat: 'channels_last' })
    expect(weight.dtype).toBe('float64')
    expect(weight.is_contiguous()).toBe(false)
    expect(module.namedBuffers().get('bn1.num_batches_tracked')!.dtype).toBe('int64')
    const x = torch.ones([1, 3, 64, 64], { dtype: 'float64' })
    expect((await module.eval().forward(x)).dtype).toBe('float64')
    await expect(module.to({ device: 'cuda:77' })).rejects.toEqual(code('ERR_DEVICE'))
    await expect(module.to({ memoryFormat: 'rows' as never })).rejects.toEqual(code('ERR_INVALID_ARGUMENT'))
  })

  it('freeze and are optimised for inference with the same results', async () => {
    const module = await ScriptModule.load(fixture('resnet18.scripted.pt'))
    await expect(module.train().freeze()).rejects.toEqual(code('ERR_TRAINING'))
    const x = torch.rand([2, 3, 64, 64])
    const expected = await module.eval().forward(x)
    const frozen = await module.freeze()
    expect([frozen.kind, frozen.parameters().length, module.parameters().length > 0]).toEqual([
      'frozen',
      0,
      true,
    ])
    await module.to({ memoryFormat: 'channels_last' })
    const optimized = await module.optimizeForInference()
    for (const copy of [frozen, optimized]) {
      for (let run = 0; run < 3; run++) {
        const difference = (await torch.async.sub(await copy.forward(x), expected)).abs().max()
        expect(difference.item()).toBeLessThan(1e-4)
      }
    }
  })
})

describe('a failure in TorchScript', () => {
  it('names the submodule, the shapes and the serialized line', async () => {
    const module = await ScriptModule.load(fixture('resnet18.scripted.pt'))
    module.registerForwardHook('layer2.0.conv1', ({ output }) => (output as Tensor).narrow(1, 0, 5), {
      replace: true,
    })
    const error = await module
      .eval()
      .forward(torch.ones([1, 3, 64, 64]))
      .then(
        () => undefined,
        (failure) => failure,
      )
    expect(error).toMatchObject({ code: 'ERR_TORCH', submodule: 'layer2.0.bn1' })
    expect(error.message).toMatch(/^layer2\.0\.bn1: running_mean should contain 5 elements not 128/)
    expect(error.line).toMatch(/^code\/__torch__\/torch\/nn\/functional\.py:\d+: .*torch\.batch_norm\(/)
    expect(error.stack).toContain('script-values.test.ts')
  })

  it.each(['scripted', 'traced'])('names a submodule of a %s network', async (form) => {
    const module = await ScriptModule.load(fixture(`shufflenet_v2_x1_0.${form}.pt`))
    module.registerForwardHook('stage2.1.branch2.3', ({ output }) => (output as Tensor).narrow(1, 0, 5), {
      replace: true,
    })
    await expect(module.eval().forward(torch.ones([1, 3, 64, 64]))).rejects.toMatchObject({
      submodule: 'stage2.1.branch2.4',
    })
  })

  it('carries what the code raised', async () => {
    const module = await load()
    await expect(module.call('fail', 1)).rejects.toMatchObject({
      code: 'ERR_TORCH',
      message: expect.stringMatching(/too large/),
      line: expect.stringMatching(/networks\.py:\d+: .*RaiseException/),
    })
    expect(await module.call('fail', 0)).toBe(0)
  })
})
