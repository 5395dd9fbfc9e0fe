import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadStateDict, ScriptModule, saveStateDict, type Tensor, torch } from '../../../src/index.js'

import { demoModel, fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const folder = temporaryFolder()
const code = (expected: string) => expect.objectContaining({ code: expected })
const resnet = fixture('resnet18.scripted.pt')

describe("a state dict of torchvision's ResNet-18 that Python saved", () => {
  const weights = join(folder, 'resnet18.pth')
  const input = { shape: [2, 3, 64, 64], seed: 3 }
  let python: { output: number[]; names: string[] }
  beforeAll(async () => {
    python = await reference('weights', { weights, ...input })
  })

  it.each(['scripted', 'traced'])("gives a %s export of other weights Python's logits", async (kind) => {
    const module = (await ScriptModule.load(fixture(`resnet18.${kind}.pt`))).eval()
    const state = await loadStateDict(weights)
    expect(module.loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] })
    const logits = await torch.noGrad(() => module.forward(randn(input.shape, input.seed)))
    expect(largestDifference(logits.toTypedArray() as Float32Array, python.output)).toBeLessThan(1e-5)
  })

  it('has the names of the export in the same order', async () => {
    const module = await ScriptModule.load(resnet)
    expect([...module.stateDict().keys()]).toEqual(python.names)
    expect([...(await loadStateDict(weights)).keys()]).toEqual(python.names)
  })

  it('goes through both formats into another copy of the module', async () => {
    const source = (await ScriptModule.load(resnet)).eval()
    source.loadStateDict(await loadStateDict(weights))
    for (const name of ['again.safetensors', 'again.pth']) {
      await saveStateDict(join(folder, name), source.stateDict())
      const copy = (await ScriptModule.load(resnet)).eval()
      copy.loadStateDict(await loadStateDict(join(folder, name)))
      const logits = await torch.noGrad(() => copy.forward(randn(input.shape, input.seed)))
      expect(largestDifference(logits.toTypedArray() as Float32Array, python.output)).toBeLessThan(1e-5)
    }
  })
})

describe('ScriptModule.stateDict', () => {
  it("is the module's own memory, detached", async () => {
    const module = await ScriptModule.load(fixture('hooks.scripted.pt'))
    const bias = module.stateDict().get('fc.bias')!
    expect(bias.requiresGrad).toBe(false)
    bias.fill_(7)
    expect(module.namedParameters().get('fc.bias')!.toArray()).toEqual([7, 7, 7, 7])
  })
})

describe('ScriptModule.loadStateDict', () => {
  const module = () => ScriptModule.load(demoModel)
  const copyOf = async () => new Map([...(await module()).stateDict()])

  it('lists missing and unexpected names in one error, or returns them if not strict', async () => {
    const target = await module()
    const state = await copyOf()
    state.delete('fc.bias')
    state.set('fc.scale', torch.ones([1]))
    const before = target.stateDict().get('fc.weight')!.clone()
    torch.noGrad(() => state.get('fc.weight')!.zero_())
    expect(() => target.loadStateDict(state)).toThrow(code('ERR_STATE_DICT_MISMATCH'))
    expect(() => target.loadStateDict(state)).toThrow(/Unexpected.*"fc\.scale"[\s\S]*Missing.*"fc\.bias"/)
    expect(target.stateDict().get('fc.weight')!.equal(before)).toBe(true)
    expect(target.loadStateDict(state, { strict: false })).toEqual({
      missingKeys: ['fc.bias'],
      unexpectedKeys: ['fc.scale'],
    })
    expect(target.stateDict().get('fc.weight')!.count_nonzero().item()).toBe(0)
  })

  it('refuses wrong shapes, all in one error, and writes nothing then', async () => {
    const target = await module()
    const state = await copyOf()
    torch.noGrad(() => {
      for (const tensor of state.values()) tensor.zero_()
    })
    state.set('fc.bias', torch.zeros([11])).set('fc.weight', torch.zeros([256, 10]))
    expect(() => target.loadStateDict(state, { strict: false })).toThrow(
      /size mismatch for fc\.weight: .*\[256, 10\].*\[10, 256\][\s\S]*size mismatch for fc\.bias/,
    )
    expect([...target.stateDict().values()].some((tensor) => tensor.count_nonzero().item() > 0)).toBe(true)
    state.set('fc.bias', torch.zeros([10]))
    state.get('fc.bias')!.dispose()
    expect(() => target.loadStateDict(state)).toThrow(code('ERR_DISPOSED'))
    state.set('fc.bias', [1] as unknown as Tensor)
    expect(() => target.loadStateDict(state)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('converts dtypes, and takes a tensor of one element for a scalar', async () => {
    const target = await module()
    const state = new Map([...(await copyOf())].map(([name, tensor]) => [name, tensor.to('float64')]))
    const count = [...state.keys()].find((name) => name.endsWith('num_batches_tracked'))!
    state.set(count, torch.tensor([5]))
    target.loadStateDict(state)
    expect(target.stateDict().get('fc.weight')!.dtype).toBe('float32')
    expect(target.stateDict().get(count)!.item()).toBe(5)
  })

  it('does without the batch counts that old files lack', async () => {
    const state = await copyOf()
    const counts = [...state.keys()].filter((name) => name.endsWith('num_batches_tracked'))
    for (const name of counts) state.delete(name)
    expect(counts.length).toBeGreaterThan(0)
    expect((await module()).loadStateDict(state)).toEqual({ missingKeys: [], unexpectedKeys: [] })
  })

  it('is refused under a pending call, and by a frozen module', async () => {
    const target = (await module()).eval()
    const state = await copyOf()
    const pending = target.forward(torch.zeros([1, 1, 28, 28]))
    expect(() => target.loadStateDict(state)).toThrow(code('ERR_BUSY'))
    await pending
    const fork = torch.async.add(target.namedParameters().get('fc.bias')!, 1)
    torch.noGrad(() => {
      for (const tensor of state.values()) tensor.zero_()
    })
    expect(() => target.loadStateDict(state)).toThrow(code('ERR_BUSY'))
    await fork
    expect(target.stateDict().get('fc.weight')!.count_nonzero().item()).toBeGreaterThan(0)
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    expect(frozen.stateDict().size).toBe(0)
    expect(() => frozen.loadStateDict(state)).toThrow(code('ERR_FROZEN'))
  })
})

describe('ScriptModule.load of bytes', () => {
  it('gives the module that the file gives', async () => {
    const bytes = readFileSync(demoModel)
    const fromBytes = await ScriptModule.load(bytes)
    bytes.fill(0) // they were copied
    const fromFile = await ScriptModule.load(demoModel)
    expect(fromBytes.path).toBe('<buffer>')
    expect(fromBytes.extraFiles).toEqual(fromFile.extraFiles)
    const x = randn([2, 1, 28, 28], 4)
    const [a, b] = await torch.noGrad(() =>
      Promise.all([fromBytes.eval().forward(x), fromFile.eval().forward(x)]),
    )
    expect(a.equal(b)).toBe(true)
    await fromBytes.save(join(folder, 'from-bytes.pt'))
    expect((await ScriptModule.load(join(folder, 'from-bytes.pt'))).extraFiles).toEqual(fromFile.extraFiles)
  })

  it('refuses what files are refused for, under the name <buffer>', async () => {
    await expect(ScriptModule.load(Buffer.alloc(0))).rejects.toEqual(code('ERR_NOT_TORCHSCRIPT'))
    await expect(ScriptModule.load(Buffer.from('text'))).rejects.toThrow(/^<buffer>: .*not a zip archive/)
    await expect(ScriptModule.load(readFileSync(demoModel).subarray(0, 50_000))).rejects.toThrow('truncated')
    const path = join(folder, 'weights.pt')
    await saveStateDict(path, new Map([['a', torch.ones([2])]]))
    await expect(ScriptModule.load(path)).rejects.toEqual(code('ERR_STATE_DICT'))
    await expect(ScriptModule.load(readFileSync(path))).rejects.toThrow(
      'model.loadStateDict(await loadStateDict(FILE))',
    )
  })

  it('survives damage anywhere in them', async () => {
    const bytes = readFileSync(fixture('mlp.scripted.pt'))
    let refused = 0
    for (let offset = 0; offset < bytes.length; offset += 61) {
      const damaged = Buffer.from(bytes)
      damaged[offset]! ^= 0xff
      await ScriptModule.load(damaged).then(
        (loaded) => loaded.dispose(),
        (error) => {
          expect(error.code).toMatch(/^ERR_/)
          refused++
        },
      )
    }
    expect(refused).toBeGreaterThan(0)
  })
})
