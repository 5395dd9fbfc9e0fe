import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { hvp, loadStateDict, ScriptModule, saveStateDict, torch } from '../../src/index.js'

import { demoModel, fixture, root, temporaryFolder } from '../support/paths.js'

type Failure = Error & { code?: string; submodule?: string; line?: string }

async function failureOf(body: () => unknown): Promise<Failure> {
  try {
    await body()
  } catch (error) {
    return error as Failure
  }
  throw new Error('expected a failure')
}

/** What every failure must be like. */
function expectWellFormed(error: Failure): void {
  expect(error).toBeInstanceOf(Error)
  expect(error.code).toMatch(/^ERR_[A-Z_]+$/)
  expect(error.message).not.toMatch(
    /Exception raised from|CapturedTraceback|frame #\d|0x[0-9a-f]{8}|\.cpp:\d+/,
  )
  expect(error.message).not.toMatch(/Traceback of TorchScript/)
  expect(error.stack).toContain('errors.test.ts')
}

const load = async (name: string) => (await ScriptModule.load(fixture(name))).eval()
const giveWeight = (module: ScriptModule, path: string, shape: number[]) =>
  module.submodule(path).setAttribute('weight', torch.ones(shape))
const [a, b] = [torch.ones([2, 3]), torch.ones([4, 5])]

describe('each failure has a code, frames of its caller and no C++ backtrace:', () => {
  it.each<[string, () => unknown, string, RegExp]>([
    ['matmul', () => a.matmul(b), 'ERR_TORCH', /2x3 and 4x5/],
    ['matmul, async', () => torch.async.matmul(a, b), 'ERR_TORCH', /2x3 and 4x5/],
    ['add', () => a.add(b), 'ERR_TORCH', /size of tensor a \(3\).*\(5\)/],
    ['cat', () => torch.cat([a, b]), 'ERR_TORCH', /Expected size 3 but got size 5/],
    ['reshape', () => a.reshape([4]), 'ERR_TORCH', /'\[4\]'.*size 6/],
    [
      'conv2d',
      () => torch.conv2d(torch.ones([1, 3, 8, 8]), torch.ones([4, 2, 3, 3])),
      'ERR_TORCH',
      /\[4, 2, 3, 3\].*\[1, 3, 8, 8\]/s,
    ],
    ['a wrong argument', () => a.add('text' as never), 'ERR_OPERATOR_ARGUMENTS', /'text'/],

    ['index', () => a.at(7), 'ERR_INDEX', /7/],
    ['grad', () => torch.autograd.grad([a], [b]), 'ERR_TORCH', /does not require grad/],
    ['backward', () => torch.autograd.backward([a]), 'ERR_TORCH', /does not require grad/],
    ['a load', () => ScriptModule.load('nowhere.pt'), 'ERR_FILE_NOT_FOUND', /nowhere\.pt/],
    ['a state dict', () => loadStateDict('nowhere.pt'), 'ERR_FILE_NOT_FOUND', /nowhere\.pt/],
  ])('%s', async (_, body, code, words) => {
    const error = await failureOf(body)
    expectWellFormed(error)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(words)
  })
})

describe('a failure in TorchScript', () => {
  const x = torch.ones([1, 3, 64, 64])

  it.each([false, true])('reports submodule, shapes and line, hooked: %s', async (hooked) => {
    const module = await load('resnet18.scripted.pt')
    giveWeight(module, 'layer3.1.conv2', [256, 100, 3, 3])
    if (hooked) module.registerForwardHook('**', () => {})
    const error = await failureOf(() => module.forward(x))
    expectWellFormed(error)
    expect(error).toMatchObject({ code: 'ERR_TORCH', submodule: 'layer3.1.conv2' })
    expect(error.message).toMatch(/^layer3\.1\.conv2: .*\[256, 100, 3, 3\].*\[1, 256, 4, 4\]/s)
    expect(error.line).toMatch(/^code\/__torch__\/torch\/nn\/modules\/conv.*\.py:\d+: .*conv2d/)
  })

  it.each([false, true])('reports them in a traced module, hooked: %s', async (hooked) => {
    const module = await load('resnet18.traced.pt')
    giveWeight(module, 'layer3.1.conv2', [256, 100, 3, 3])
    if (hooked) module.registerForwardPreHook('layer3.1', () => {})
    const error = await failureOf(() => module.forward(x))
    expectWellFormed(error)
    expect(error).toMatchObject({
      submodule: 'layer3.1.conv2',
      line: expect.stringMatching(/conv.*\.py:\d+: /),
    })
  })

  it.each([false, true])('distinguishes siblings in one line, hooked: %s', async (hooked) => {
    for (const sibling of ['left', 'right']) {
      const module = await load('hooks.scripted.pt')
      giveWeight(module, `${sibling}.linear`, [8, 5])
      if (hooked) module.registerForwardHook('fc', () => {})
      const error = await failureOf(() => module.forward(torch.ones([2, 8])))
      expectWellFormed(error)
      expect(error.submodule).toBe(`${sibling}.linear`)
      expect(error.message).toMatch(/2x8 and 5x8/)
    }
  })

  it.each([false, true])('reports them in branches, loops and other methods, hooked: %s', async (hooked) => {
    for (const [file, method, path] of [
      ['hooks', 'forward', 'branch'],
      ['hooks', 'forward', 'loop'],
      ['wiring', 'features', 'encoder'],
      ['wiring', 'forward', 'step'],
    ]) {
      const module = await load(`${file}.scripted.pt`)
      giveWeight(module, `${path}.linear`, [8, 5])
      if (hooked) module.registerForwardHook(path!, () => {})
      const error = await failureOf(() => module.call(method!, torch.ones([2, 8])))
      expectWellFormed(error)
      expect([path, error.submodule]).toEqual([path, `${path}.linear`])
      expect(error.line).toMatch(/linear.*\.py:\d+: .*torch\.linear/)
    }
  })

  it.each([false, true])('reports them in a fork, hooked: %s', async (hooked) => {
    const module = await load('zoo.forks.pt')
    if (hooked) module.registerForwardHook('left', () => {})
    const error = await failureOf(() => module.forward(torch.ones([2, 4])))
    expectWellFormed(error)
    expect(error.message).toMatch(/2x4 and 3x2/)
    expect(error.submodule).toBe('left')
  })

  it('reports what it raised itself, and takes its text as it is', async () => {
    const module = await load('values.scripted.pt')
    const error = await failureOf(() => module.call('fail', 1))
    expectWellFormed(error)
    expect(error.message).toMatch(/^builtins\.ValueError: too large\n/)
    // A long text without a blank, which comes after what looks like the end of a traceback.
    const evil = await load('zoo.raises.pt')
    const text = `<--- HERE\n${'a'.repeat(1_000_000)}`
    for (const hooked of [false, true]) {
      if (hooked) evil.registerForwardHook('', () => {})
      const raised = await failureOf(() => evil.forward(text))
      expect(raised).toMatchObject({ code: 'ERR_TORCH', message: expect.stringContaining('aaaaaaaa') })
    }
  })

  it('is reported without lines if the archive has no debug information', async () => {
    const module = await load('zoo.stripped.pt')
    const error = await failureOf(() => module.forward(torch.ones([2, 4])))
    expectWellFormed(error)
    expect(error.message).toMatch(/2x4 and 3x2/)
    expect([typeof error.submodule, typeof error.line]).toEqual(['string', 'string'])
  })
})

describe('memory that is not there', () => {
  it('is an error, after which all is well', async () => {
    for (const body of [() => torch.empty([1e15]), () => torch.async.empty([1e15])]) {
      const error = await failureOf(body)
      expectWellFormed(error)
      expect(error.code).toBe('ERR_OUT_OF_MEMORY')
      expect(error.message).toMatch(/tried to allocate 4000000000000000 bytes/)
    }
    const overflow = await failureOf(() => torch.empty([2 ** 40, 2 ** 40]))
    expectWellFormed(overflow)
    expect(torch.ones([3]).sum().item()).toBe(3)
  })
})

describe('a disposed tensor is refused by', () => {
  const gone = torch.ones([2], {})
  gone.dispose()
  const input = torch.tensor([1, 2], { requiresGrad: true })

  it.each<[string, () => unknown]>([
    ['its properties', () => gone.shape],
    ['its values', () => gone.toArray()],
    ['its methods', () => gone.add(1)],
    ['operators', () => torch.add(1, gone as never)],
    ['keyword arguments', () => torch.add(input, input, { out: gone } as never)],
    ['async operators', () => torch.async.add(input, gone)],
    ['lists', () => torch.cat([input, gone])],
    ['calls of modules', async () => (await load('mlp.scripted.pt')).forward(gone)],
    [
      'nested arguments',
      async () => (await load('values.scripted.pt')).call('batch', [], new Map([['x', gone]])),
    ],
    ['grad, as output', () => torch.autograd.grad([gone], [input])],
    ['grad, as input', () => torch.autograd.grad([input.sum()], [gone])],
    ['grad, as vector', () => torch.autograd.grad([input.mul(2)], [input], { gradOutputs: [gone] })],
    ['hvp', () => hvp(input.square().sum(), [input], [gone])],
    ['backward', () => gone.backward()],
    ['grad as a property', () => gone.grad],
    ['setting it', () => Object.assign(input, { grad: gone })],
    ['hooks', () => gone.registerHook(() => undefined)],
    ['indices', () => input.at(gone)],
    ['saves', () => saveStateDict(`${root}/nowhere/x.safetensors`, new Map([['x', gone]]))],
  ])('%s', async (_, body) => {
    const error = await failureOf(body)
    expectWellFormed(error)
    expect(error.code).toBe('ERR_DISPOSED')
  })

  it('replacing hooks, whose forward it ends', async () => {
    const module = await load('hooks.scripted.pt')
    module.registerForwardHook('fc', () => gone, { replace: true })
    const error = await failureOf(() => module.forward(torch.ones([1, 8])))
    expect(error.code).toBe('ERR_DISPOSED')
  })

  it('and a disposed module by all of its methods', async () => {
    const module = await load('mlp.scripted.pt')
    module.dispose()
    for (const body of [
      () => module.forward(torch.ones([1, 6])),
      () => module.parameters(),
      () => module.clone(),
      () => module.to({ dtype: 'float32' }),
      () => module.train(),
      () => module.kind,
      () => module.registerForwardHook('0', () => {}),
      () => module.save(`${temporaryFolder()}/x.pt`),
      () => module.share(),
      () => module.attribute('training'),
    ]) {
      const error = await failureOf(body)
      expectWellFormed(error)
      expect(error.code).toBe('ERR_DISPOSED')
    }
  })
})

describe('SOS_SHOW_CPP_STACKTRACES', () => {
  const script = `
    import { ScriptModule, torch } from '${root}/dist/index.js'
    const show = (error) => console.log(JSON.stringify([error.code, error.message]))
    const module = await ScriptModule.load('${demoModel}')
    await module.forward(torch.ones([1, 3, 28, 28])).catch(show)
    try { torch.ones([2, 3]).matmul(torch.ones([4, 5])) } catch (error) { show(error) }
  `
  async function messages(value: string | undefined): Promise<[code: string, message: string][]> {
    const { SOS_SHOW_CPP_STACKTRACES: _, ...env } = process.env
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', script],
      {
        env: value === undefined ? env : { ...env, SOS_SHOW_CPP_STACKTRACES: value },
      },
    )
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }

  it('adds all that libtorch says', async () => {
    const [plain, off, on] = await Promise.all([undefined, '0', '1'].map(messages))
    expect(off).toEqual(plain)
    for (const [code, message] of plain!) {
      expect(code).toBe('ERR_TORCH')
      expect(message).not.toMatch(/Exception raised from|Traceback of TorchScript/)
    }
    expect(on!.map(([code]) => code)).toEqual(['ERR_TORCH', 'ERR_TORCH'])
    expect(on![0]![1]).toMatch(/Traceback of TorchScript/)
    expect(on![1]![1]).toMatch(/Exception raised from .*\nframe #0: /)
  })
})
