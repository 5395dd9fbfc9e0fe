import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, Tensor, torch } from '../../src/index.js'
import { Complex, type NamedTuple, ScriptObject, type Value } from '../../src/torch/index.js'

import { sos } from '../support/cli.js'
import { fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

// What test/reference/zoo.py prints: it calls each module in Python and tells inputs and outputs.
// biome-ignore lint/suspicious/noExplicitAny: JSON of all kinds of values
type Encoded = any

const file = (name: string) => fixture(`zoo.${name}.pt`)
const load = (name: string) => ScriptModule.load(file(name))
const code = (expected: string) => expect.objectContaining({ code: expected })

function decode(value: Encoded): Value {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(decode)
  if ('dict' in value) return new Map(value.dict.map((pair: Encoded[]) => pair.map(decode)))
  if ('float' in value) return value.float === 'inf' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY
  const { dtype, shape, values } = value
  if (dtype.startsWith('complex')) {
    return torch.view_as_complex(torch.tensor(values, { dtype: 'float64' }).reshape([...shape, 2])).to(dtype)
  }
  return torch.tensor(values, { dtype: 'float64' }).reshape(shape).to(dtype)
}

/** How far `value` is from what Python gave, relative to its largest entry; infinite if it is something else. */
function difference(value: Value, expected: Encoded): number {
  if (value instanceof Tensor) {
    if (value.dtype !== expected?.dtype || String(value.shape) !== String(expected.shape)) return Infinity
    const wanted = decode(expected) as Tensor
    if (value.numel() === 0) return 0
    const wide = value.is_complex() ? 'complex128' : 'float64'
    const [largest, error] = [wanted.abs().max(), value.to(wide).sub(wanted.to(wide)).abs().max()]
    return error.item() / Math.max(1, largest.item())
  }
  if (Array.isArray(value)) {
    if (!Array.isArray(expected) || expected.length !== value.length) return Infinity
    return Math.max(0, ...value.map((element, i) => difference(element, expected[i])))
  }
  if (value instanceof Map) {
    const entries = [...value]
    if (expected?.dict?.length !== entries.length) return Infinity
    return Math.max(...entries.map((entry, i) => difference(entry, expected.dict[i])))
  }
  return Object.is(value, decode(expected)) ? 0 : Infinity
}

// biome-ignore lint/suspicious/noExplicitAny: what the reference prints
let python: any
beforeAll(async () => {
  python = await reference('zoo', { folder: fixture('') })
}, 60_000)

describe.each([
  ['recurrent', 'scripted'],
  ['attention', 'scripted'],
  ['bag', 'scripted'],
  ['complex', 'undetermined'],
  ['half', 'undetermined'],
  ['bfloat16', 'undetermined'],
  ['unused', 'scripted'],
  ['forks', 'scripted'],
  ['containers', 'undetermined'],
  ['proxy', 'undetermined'],
  ['classes', 'scripted'],
  ['methods', 'traced'],
  ['small-scripted', 'scripted'],
  ['small-traced', 'traced'],
  ['small-frozen', 'frozen'],
  ['quantised-scripted', 'scripted'],
  ['quantised-traced', 'undetermined'],
  ['words-scripted', 'scripted'],
  ['words-traced', 'undetermined'],
])('%s', (name, kind) => {
  const tolerance = /half|bfloat16/.test(name) ? 1e-2 : 1e-5

  it("gives Python's outputs, also as a copy and once saved", async () => {
    const module = await load(name)
    const saved = `${temporaryFolder()}/saved.pt`
    await module.save(saved)
    for (const one of [module, await module.clone(), await ScriptModule.load(saved)]) {
      for (const [method, inputs, output] of python[name].calls) {
        // Twice: the executor may plan anew.
        for (let run = 0; run < 2; run++) {
          const result = await torch.noGrad(() => one.call(method, ...inputs.map(decode)))
          expect(difference(result, output)).toBeLessThan(tolerance)
        }
      }
    }
  })

  it("gives Python's outputs optimised for inference, and stays as it was", async () => {
    const module = (await load(name)).eval()
    const methods = [...new Set<string>(python[name].calls.map(([method]: Encoded[]) => method))]
    const graphs = () => methods.map((method) => module.graph(method))
    const before = graphs()
    const fast = await module.optimizeForInference({
      preserved: methods.filter((name) => name !== 'forward'),
    })
    expect(graphs()).toEqual(before)
    for (const [method, inputs, output] of python[name].calls) {
      for (let run = 0; run < 2; run++) {
        const result = await torch.noGrad(() => fast.call(method, ...inputs.map(decode)))
        expect(difference(result, output)).toBeLessThan(tolerance)
      }
    }
  })

  it('is described as in Python, by `sos inspect` too', async () => {
    const module = await load(name)
    const nodes = module.modules()
    expect(nodes.map(({ path }) => path)).toEqual(python[name].modules)
    expect(nodes.map(({ type }) => type.split('.').at(-1))).toEqual(python[name].types)
    const describe = (tensors: Map<string, Tensor>) =>
      Object.fromEntries([...tensors].map(([key, { dtype, shape }]) => [key, [dtype, shape]]))
    expect(describe(module.namedParameters())).toEqual(python[name].parameters)
    expect(describe(module.namedBuffers())).toEqual(python[name].buffers)
    expect(module.training).toBe(python[name].training)
    expect(module.extraFiles).toMatchObject(python[name].extra)
    expect(module.kind).toBe(kind)
    for (const schema of module.methods) expect(module.code(schema.split('(')[0])).toContain('def ')
    for (const [attribute] of module.attributes) module.attribute(attribute)
    const { stdout, stderr, code } = await sos('inspect', file(name))
    // libtorch warns of quantised tensors by itself.
    expect([code, stderr.replace(/^\[W.*Quantizer\.cpp.*\n.*\n?/, '')]).toEqual([0, ''])
    expect(stdout).toMatch(new RegExp(`^ *.*${kind}`, 'm'))
  })
})

describe('classes', () => {
  it('come back as objects, which keep their state and go in again', async () => {
    const module = await load('classes')
    const counter = (await module.call('counter', 5)) as ScriptObject
    expect(counter).toBeInstanceOf(ScriptObject)
    expect([counter.type, [...counter.attributes]]).toEqual([
      'zoo.Counter',
      [
        ['count', 'int'],
        ['seen', 'List[str]'],
      ],
    ])
    expect([await counter.call('step', 'a'), await counter.call('step', { name: 'b' })]).toEqual([6, 7])
    expect([counter.attribute('count'), counter.attribute('seen')]).toEqual([7, ['a', 'b']])
    counter.setAttribute('count', 100)
    expect(await counter.call('step', 'c')).toBe(101)
    expect(() => counter.setAttribute('count', 'text')).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('have NamedTuples, constants and enumerations', async () => {
    const module = await load('classes')
    const sums = (await module.call('sums', [torch.ones([2]), torch.ones([2])])) as NamedTuple<{
      total: Tensor
      parts: Tensor[]
    }>
    expect([sums.total.item(), sums.parts.length]).toEqual([4, 2])
    expect([module.attribute('limit'), module.attribute('names')]).toEqual([3, ['a', 'b']])
    // A member of an enumeration is its value in JavaScript.
    expect(await module.call('mode_of', false)).toBe('add')
    expect(await module.call('mode_name', 'scale')).toBe('scale')
    await expect(module.call('mode_name', 'none')).rejects.toThrow(/argument 'mode' expects .*Mode/)
    expect(module.attribute('mode')).toBe('scale')
  })
})

describe('complex and small floating-point weights', () => {
  it('are converted by to(dtype)', async () => {
    const half = await load('half')
    await half.to({ dtype: 'float32' })
    expect((await half.forward(torch.ones([1, 3]))).dtype).toBe('float32')
    const complex = await load('complex')
    const output = await torch.noGrad(() => complex.forward(torch.ones([1, 3])))
    expect(output.reshape([-1]).at(0).item<Complex>()).toBeInstanceOf(Complex)
  })
})

describe('a frozen module', () => {
  it('refuses training and hooks with a message', async () => {
    const module = await load('small-frozen')
    expect(() => module.train()).toThrow(
      expect.objectContaining({ code: 'ERR_FROZEN', message: expect.stringMatching(/torch\.jit\.freeze/) }),
    )
    expect(() => module.registerForwardHook('fc', () => {})).toThrow(code('ERR_FROZEN'))
    expect(() => module.loadStateDict(new Map())).toThrow(code('ERR_FROZEN'))
    expect(module.eval().training).toBe(false)
  })
})

describe('a traced module', () => {
  async function warnings(body: () => unknown): Promise<NodeJS.ErrnoException[]> {
    const seen: NodeJS.ErrnoException[] = []
    const listen = (warning: Error) => seen.push(warning)
    process.on('warning', listen)
    try {
      await body()
      await new Promise(setImmediate)
    } finally {
      process.off('warning', listen)
    }
    return seen
  }

  it('warns once that train() changes nothing, which is so', async () => {
    const module = await load('small-traced')
    const x = decode(python['small-traced'].calls[0][1][0])
    const seen = await warnings(() => module.train().eval().train())
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatchObject({
      code: 'SOS_TRACED_MODE',
      message: expect.stringMatching(/trac.*eval mode.*script/s),
    })
    expect(module.training).toBe(true)
    const difference_ = difference(
      await torch.noGrad(() => module.forward(x)),
      python['small-traced'].calls[0][2],
    )
    expect(difference_).toBeLessThan(1e-5)
  })

  it.each(['small-scripted', 'complex'])('of %s does not: nothing is baked in there', async (name) => {
    const module = await load(name)
    expect(await warnings(() => module.train().eval())).toEqual([])
  })
})

describe('forks', () => {
  it('are heard by hooks, as calls in their order', async () => {
    const module = await load('forks')
    const seen: string[] = []
    const x = torch.ones([1, 3])
    const plain = await module.forward(x)
    for (const path of ['left', 'right']) module.registerForwardHook(path, () => void seen.push(path))
    expect((await module.forward(x)).toArray()).toEqual(plain.toArray())
    expect(seen.sort()).toEqual(['left', 'right', 'right', 'right'])
    module.registerForwardHook('left', ({ output }) => (output as Tensor).mul(0), { replace: true })
    module.registerForwardHook('right', ({ output }) => (output as Tensor).mul(0), { replace: true })
    expect((await module.forward(x)).abs().max().item()).toBe(0)
  })

  it('that nothing waits for are left out by TorchScript: a hook on what they called is refused', async () => {
    const module = await load('forgotten')
    const x = torch.ones([1, 3])
    const hook = module.registerForwardHook('left', () => {})
    await expect(module.forward(x)).rejects.toMatchObject({ code: 'ERR_NOT_CALLED' })
    hook.remove()
    expect(await module.forward(x)).toBeInstanceOf(Tensor)
  })
})

describe('a submodule behind an interface', () => {
  it('may be exchanged, and hooks follow', async () => {
    const module = await load('proxy')
    const other = await load('proxy') // (2x + 1) is such a transform too
    const seen: number[] = []
    module.registerForwardHook('transform', ({ output }) => void seen.push((output as Tensor).item()))
    const x = torch.ones([1])
    expect((await module.forward(x)).item()).toBe(3)
    module.setAttribute('transform', other)
    expect((await module.forward(x)).item()).toBe(4)
    expect(seen).toEqual([2, 3])
  })

  it('is not exchanged under a call that is at work', async () => {
    const [module, other] = [await load('proxy'), await load('proxy')]
    module.registerForwardPreHook('transform', () => void module.setAttribute('transform', other), {
      replace: true,
    } as never)
    await expect(module.forward(torch.ones([1]))).rejects.toEqual(code('ERR_BUSY'))
  })
})
