import { readdirSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../src/index.js'
import { ScriptObject, type Value } from '../../src/torch/index.js'

import { dataRoot } from '../support/paths.js'
import { reference } from '../support/python.js'
import { randn } from '../support/random.js'
import { largestDifference } from '../support/tensors.js'

const code = (name: string) => expect.objectContaining({ code: name })
const item = (value: Value) => (value as Tensor).item()
const array = (value: Value) => (value as Tensor).toArray()
const names = (module: ScriptObject) => module.methods.map((schema) => schema.split('(')[0])

describe.skipIf(dataRoot === undefined)('foreign modules', () => {
  const folder = `${dataRoot}/torchscript/loads`
  const load = (name: string) => ScriptModule.load(`${folder}/${name}.pt`)

  // The values are those of the data's description.
  const known: Record<string, (module: ScriptModule) => Promise<void>> = {
    async foo(module) {
      const sum = await module.forward(torch.tensor([1, 10]), torch.tensor([2, 20]))
      expect(sum.toArray()).toEqual([2 * 1 + 2 + 42, 2 * 10 + 20 + 42])
      expect(module.namedBuffers().size).toBe(1)
    },
    async foo1(module) {
      // It takes tensors: a number becomes one, as in an operator.
      expect((await module.forward(42, 1337)).item()).toBe(1421)
    },
    async foo2(module) {
      expect((await module.forward<Tensor[]>(42, 1337)).map(item)).toEqual([1421, -1295])
    },
    async foo3(module) {
      expect((await module.forward(torch.tensor([1, 2, 3, 4, 5]))).item()).toBe(120)
    },
    async foo4(module) {
      expect(await module.forward<number>([2, 3, 4])).toBe(14)
      await expect(module.forward([2, 3, 4.5])).rejects.toEqual(code('ERR_METHOD_ARGUMENTS'))
      await expect(module.forward([2, 3])).rejects.toEqual(code('ERR_METHOD_ARGUMENTS'))
    },
    async foo5(module) {
      const texts = ['foo', 'bar', 'barfoo']
      const { strings } = await reference('foreign', { folder, strings: texts })
      expect(await module.forward(texts)).toEqual(strings)
    },
    async foo6(module) {
      const object = await module.forward<ScriptObject>(torch.tensor([3]))
      expect(object).toBeInstanceOf(ScriptObject)
      expect([object.type, names(object)]).toEqual(['TorchScriptClass', expect.arrayContaining(['y'])])
      // Python cannot bring such an object back; its code is `return torch.mul(self.x, 2)`.
      expect(array(await object.call('y'))).toEqual([6])
    },
    async foo7(module) {
      const input = await module.call('make_input_object', torch.tensor([1]), torch.tensor([2]))
      expect(array(await module.call('add_them', input))).toEqual([3])
      await expect(module.forward(torch.ones([1]))).rejects.toEqual(code('ERR_NO_METHOD'))
      const other = await (await load('foo6')).forward<ScriptObject>(torch.tensor([3]))
      await expect(module.call('add_them', other)).rejects.toEqual(code('ERR_METHOD_ARGUMENTS'))
    },
    async foo8(module) {
      expect(names(module)).toEqual(['generate'])
      const { generated } = await reference('foreign', { folder, generate: { foo: [1, 2], bar: [3] } })
      const table = new Map([
        ['foo', torch.tensor([1, 2])],
        ['bar', torch.tensor([3])],
      ])
      expect(((await module.call('generate', table)) as Value[]).map(array)).toEqual(generated)
      await expect(module.call('generate', { foo: 'text' })).rejects.toEqual(code('ERR_METHOD_ARGUMENTS'))
      await expect(module.call('generate', { foo: 1 })).rejects.toThrow(/^KeyError: bar/)
    },
    async torchjs_test_model(module) {
      expect((await module.forward(torch.tensor([1, 2]), torch.tensor([10, 20]))).toArray()).toEqual([11, 22])
    },
    async mlverse_linear(module) {
      const [weight] = module.parameters()
      const x = randn([4, weight!.shape[1]!], 7)
      const { linear } = await reference('foreign', { folder, linear: [x.shape, 7] })
      const output = await torch.noGrad(() => module.forward(x))
      expect(largestDifference(output.reshape([-1]).toArray() as number[], linear)).toBeLessThan(1e-6)
    },
  }

  it.each(Object.keys(known))('%s gives its known values', async (name) => {
    await known[name]!(await load(name))
  })

  it('are all tested', () => {
    expect(readdirSync(folder).sort()).toEqual(
      Object.keys(known)
        .map((name) => `${name}.pt`)
        .sort(),
    )
  })
})

describe.skipIf(dataRoot === undefined)('files that are refused', () => {
  const folder = `${dataRoot}/torchscript/refused`
  const codes: Record<string, [string, RegExp]> = {
    'legacy_format.pt': ['ERR_LEGACY_TORCHSCRIPT', /torch\.jit/],
    'not_a_zip.dat': ['ERR_NOT_TORCHSCRIPT', /zip|archive/],
    'state_dict.pth': ['ERR_STATE_DICT', /loadStateDict/],
  }

  it.each(Object.entries(codes))('%s, with %s', async (name, [expected, words]) => {
    await expect(ScriptModule.load(`${folder}/${name}`)).rejects.toMatchObject({
      code: expected,
      message: expect.stringMatching(words),
    })
  })

  it('are all tested', () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(codes).sort())
  })
})

describe.skipIf(dataRoot === undefined)('real checkpoints', () => {
  let python: Record<string, { shape: number[]; head: number[]; norm: number }>
  const cases: Record<string, number[]> = {
    'resnet20.ts.pt': [2, 3, 32, 32],
    'resnet56.ts.pt': [2, 3, 32, 32],
    'squeezenet1_0.ts.pt': [1, 3, 224, 224],
    'yolov5n_coco80_640.torchscript.pt': [1, 3, 640, 640],
  }
  beforeAll(async () => {
    python = await reference('checkpoints', { folder: `${dataRoot}/checkpoints`, cases, seed: 8 })
  }, 120_000)

  it.each(Object.entries(cases))("%s gives Python's outputs", async (name, shape) => {
    const module = (await ScriptModule.load(`${dataRoot}/checkpoints/${name}`)).eval()
    const result = await torch.noGrad(() => module.forward<Tensor | Tensor[]>(randn(shape, 8)))
    const output = Array.isArray(result) ? result[0]! : result
    const { shape: expected, head, norm } = python[name]!
    expect(output.shape).toEqual(expected)
    const flat = output.to('float64').reshape([-1])
    expect(Math.abs(flat.square().sum().sqrt().item() / norm - 1)).toBeLessThan(1e-5)
    const ours = flat.slice(0, 0, head.length).toArray() as number[]
    const largest = Math.max(...head.map(Math.abs))
    expect(largestDifference(ours, head) / largest).toBeLessThan(1e-4)
  })

  it('are all tested', () => {
    expect(readdirSync(`${dataRoot}/checkpoints`).sort()).toEqual(Object.keys(cases).sort())
  })
})
