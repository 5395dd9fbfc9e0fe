import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, Tensor, torch } from '../../../src/index.js'
import type { GraphBlock } from '../../../src/torch/index.js'

import { demoModel, fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const folder = temporaryFolder()
const code = (expected: string) => expect.objectContaining({ code: expected })

describe.each([
  'resnet18.scripted',
  'resnet18.traced',
  'shufflenet_v2_x1_0.scripted',
  'shufflenet_v2_x1_0.traced',
  'resnet18.frozen',
])('%s', (name) => {
  it("gives Python's logits", async () => {
    const model = fixture(`${name}.pt`)
    const module = await ScriptModule.load(model)
    const logits = await torch.noGrad(() => module.eval().forward(randn([2, 3, 64, 64], 1)))
    const python = await reference('forward', { model, shape: [2, 3, 64, 64], seed: 1 })
    expect(largestDifference(logits.toTypedArray() as Float32Array, python.output)).toBeLessThan(1e-5)
  })

  it('knows how it was made', async () => {
    expect((await ScriptModule.load(fixture(`${name}.pt`))).kind).toBe(name.split('.')[1])
  })
})

describe('ScriptModule', () => {
  let module: ScriptModule
  beforeAll(async () => {
    module = await ScriptModule.load(demoModel)
  })

  it('lists modules, parameters and buffers', () => {
    const nodes = module.modules()
    expect(nodes[0]!.path).toBe('')
    expect(nodes.find(({ path }) => path === 'fc')).toEqual({
      path: 'fc',
      type: 'torch.nn.modules.linear.Linear',
      parameters: [
        { name: 'weight', shape: [10, 256], dtype: 'float32' },
        { name: 'bias', shape: [10], dtype: 'float32' },
      ],
      operators: ['aten::linear'],
    })
    expect(module.namedParameters().get('fc.weight')!.shape).toEqual([10, 256])
    expect([...module.namedBuffers().keys()].some((name) => name.endsWith('running_mean'))).toBe(true)
  })

  it('calls its last layer last', () => {
    expect(module.calledSubmodules().at(-1)).toBe('fc')
  })

  it('reports which operators its methods call, and where their arguments come from', async () => {
    const layer = module.submodule('layer1').operatorCalls()
    expect(layer[0]).toEqual({
      operator: 'aten::conv2d',
      arguments: {
        input: { input: 0 },
        weight: { attribute: 'conv1.weight', dtype: 'float32' },
        bias: { value: null },
        stride: { value: [2, 2] },
        padding: { value: [1, 1] },
        dilation: { value: [1, 1] },
        groups: { value: 1 },
      },
      module: 'conv1',
      skipped: false,
    })
    const last = module.operatorCalls().at(-1)!
    expect(last.arguments).toMatchObject({
      input: { resultOf: expect.stringMatching(/^aten::/) },
      weight: { attribute: 'fc.weight' },
      bias: { attribute: 'fc.bias' },
    })
    const wiring = await ScriptModule.load(fixture('wiring.scripted.pt'))
    expect(wiring.operatorCalls('features').map(({ operator }) => operator)).toContain('aten::linear')
    expect(() => module.operatorCalls('backward')).toThrow(code('ERR_NO_METHOD'))
  })

  it('shows the graph of a method as a tree, with the nodes of its text and the paths of its weights', async () => {
    const kindsIn = (block: GraphBlock): string[] =>
      block.nodes.flatMap(({ kind, blocks }) => [kind, ...blocks.flatMap(kindsIn)])
    const tensorsIn = (block: GraphBlock): string[] =>
      block.nodes.flatMap(({ attribute, outputs, blocks }) => [
        ...(attribute !== undefined && outputs[0]!.type === 'Tensor' ? [attribute] : []),
        ...blocks.flatMap(tensorsIn),
      ])
    const wiring = await ScriptModule.load(fixture('wiring.scripted.pt'))
    for (const one of [module, wiring]) {
      const text = one.graph('forward', { inlined: true })
      const kinds = [...text.matchAll(/^[^#=]*= (\w+::\w+)/gm)].map(([, kind]) => kind)
      expect(kindsIn(one.graphTree())).toEqual(kinds)
    }
    expect(kindsIn(module.graphTree())).toContain('prim::If')
    const tensors = [...module.namedParameters().keys(), ...module.namedBuffers().keys()]
    expect(tensors).toEqual(expect.arrayContaining(tensorsIn(module.graphTree())))
    expect(tensorsIn(module.graphTree())).toEqual(
      expect.arrayContaining([...module.namedParameters().keys()]),
    )
    expect(() => module.graphTree('backward')).toThrow(code('ERR_NO_METHOD'))
  })

  it('switches modes, and refuses to under a pending call', async () => {
    expect(module.train().training).toBe(true)
    expect(module.eval().training).toBe(false)
    const pending = module.forward(torch.zeros([1, 1, 28, 28]))
    expect(() => module.train()).toThrow(code('ERR_BUSY'))
    await pending
    module.train().eval()
  })

  it('shares its memory with its parameters', async () => {
    const own = await ScriptModule.load(demoModel)
    torch.noGrad(() => own.namedParameters().get('fc.bias')!.fill_(7))
    expect(own.namedParameters().get('fc.bias')!.toArray()).toEqual(Array(10).fill(7))
  })

  it('saves atomically what Python loads, with its extra files and new ones', async () => {
    const path = join(folder, 'saved.pt')
    await module.save(path, { extraFiles: { note: 'grüße' } })
    const again = await ScriptModule.load(path)
    expect(again.extraFiles).toEqual({ ...module.extraFiles, note: 'grüße' })
    const x = randn([3, 1, 28, 28], 2)
    const logits = await module.forward(x)
    const python = await reference('forward', { model: path, shape: [3, 1, 28, 28], seed: 2 })
    expect(largestDifference(logits.toTypedArray() as Float32Array, python.output)).toBeLessThan(1e-5)
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('leaves the old file if a save fails', async () => {
    const target = join(folder, 'occupied')
    mkdirSync(target, { recursive: true })
    writeFileSync(join(target, 'kept'), 'kept')
    await expect(module.save(target)).rejects.toThrow()
    expect(readFileSync(join(target, 'kept'), 'utf8')).toBe('kept')
    await expect(module.save(join(folder, 'missing', 'x.pt'))).rejects.toEqual(code('ERR_OUTPUT'))
    expect(existsSync(join(folder, 'missing'))).toBe(false)
  })

  it('says which argument of a call is wrong, and which shapes do not fit', async () => {
    await expect(module.forward()).rejects.toEqual(code('ERR_METHOD_ARGUMENTS'))
    await expect(module.call('backward')).rejects.toEqual(code('ERR_NO_METHOD'))
    const failed = module.forward(torch.zeros([1, 3, 28, 28]))
    await expect(failed).rejects.toThrow(/1, 3, 28, 28/)
    await expect(failed).rejects.toEqual(code('ERR_TORCH'))
    await failed.catch((error: Error) => {
      expect(error.stack).toContain('script-module.test.ts')
      expect(error.message).not.toContain('Exception raised from')
    })
  })

  it('says of a file of optimize_for_inference that it cannot be loaded', async () => {
    const model = await ScriptModule.load(fixture('resnet18.scripted.pt'))
    const optimized = await model.eval().optimizeForInference()
    const path = join(temporaryFolder(), 'optimized.pt')
    await optimized.save(path)
    await expect(ScriptModule.load(path)).rejects.toEqual(
      expect.objectContaining({
        code: 'ERR_NOT_TORCHSCRIPT',
        message: expect.stringMatching(/torch\.jit\.optimize_for_inference.*do not load in Python either/),
      }),
    )
  })

  it('refuses files that are no TorchScript', async () => {
    const path = join(folder, 'bad.pt')
    await expect(ScriptModule.load(join(folder, 'none.pt'))).rejects.toEqual(code('ERR_FILE_NOT_FOUND'))
    await expect(ScriptModule.load(folder)).rejects.toEqual(code('ERR_NOT_TORCHSCRIPT'))
    writeFileSync(path, '')
    await expect(ScriptModule.load(path)).rejects.toEqual(code('ERR_NOT_TORCHSCRIPT'))
    copyFileSync(demoModel, path)
    truncateSync(path, 100_000)
    await expect(ScriptModule.load(path)).rejects.toThrow('truncated or damaged')
  })

  it('is gone once disposed of', async () => {
    const own = await ScriptModule.load(fixture('mlp.scripted.pt'))
    own.dispose()
    expect(() => own.modules()).toThrow(code('ERR_DISPOSED'))
  })
})

describe('order', () => {
  it('runs calls one after another, in the order in which they were made', async () => {
    const module = await ScriptModule.load(demoModel)
    const finished: number[] = []
    await Promise.all(
      [64, 1, 8].map((images, i) =>
        torch
          .noGrad(() => module.forward(torch.zeros([images, 1, 28, 28])))
          .then((logits) => {
            expect(logits).toBeInstanceOf(Tensor)
            finished.push(i)
          }),
      ),
    )
    expect(finished).toEqual([0, 1, 2])
  })
})
