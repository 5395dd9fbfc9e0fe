import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, SosError, type Tensor, torch } from '../src/index.js'
import { sos } from './support/doors.js'
import { demoModel, fixture } from './support/paths.js'

// Arguments that JavaScript passes and that TypeScript would have refused. Every error must be one of this package, with a code.

/** Functions that are left out: they change the whole process, write files, connect with other processes, or only take records of this package. */
const left =
  /^(joinProcesses|ProcessGroup|setQueueLimit|useDeterministicAlgorithms|setFloat32MatmulPrecision|manualSeed|setRngState|setNum\w+|emptyCache|write\w*|save\w*|makeReportFolder|recordRun|EvaluationRecord|SosError|Complex|ScriptModule|imageFolder|imageNet|idxFolder|cifar\w*|openDataset|fetch\w*|dataParallel|\w*(Table|Tables|Findings|Page)|summariseTraining)$/

let model: ScriptModule
let tensor: Tensor
let wrong: unknown[]
beforeAll(async () => {
  model = await ScriptModule.load(fixture('mlp.scripted.pt'))
  tensor = torch.ones([2, 3])
  wrong = [undefined, null, 0, -1, 1.5, Number.NaN, '', 'text', true, Symbol('s'), 10n, [], [1], [null], {}]
  wrong.push({ a: 1 }, () => 1, tensor, [tensor], new Map(), new Date(0), model)
})

/** The errors of calls with these arguments that are not errors of this package. */
async function strangers(name: string, call: (...args: unknown[]) => unknown, lists: unknown[][]) {
  const found: string[] = []
  for (const args of lists) {
    try {
      await call(...args)
    } catch (error) {
      const own = error instanceof SosError && /^ERR_[A-Z_]+$/.test(error.code) && error.message !== ''
      if (!own) found.push(`${name}: ${(error as Error)?.stack?.split('\n').slice(0, 3).join(' ')}`)
    }
  }
  return found
}

const functions = Object.entries(sos).filter(
  (entry): entry is [string, (...args: never[]) => unknown] =>
    typeof entry[1] === 'function' && !left.test(entry[0]),
)

describe('arguments of the wrong type', () => {
  it.each(functions)('to %s give an error of this package', async (name, found) => {
    const isClass = /^class\b/.test(Function.prototype.toString.call(found))
    const call = (...args: unknown[]): unknown =>
      isClass ? Reflect.construct(found, args) : (found as (...args: unknown[]) => unknown)(...args)
    const lists = wrong.flatMap((one) => [
      [one],
      [tensor, one],
      [one, tensor],
      [[tensor], one],
      [model, one],
      [[tensor], [tensor], one],
      [tensor, [tensor], one],
      [tensor, tensor, one],
    ])
    expect(await strangers(name, call, lists)).toEqual([])
  })

  const own = (value: object): string[] => {
    const names = new Set<string>()
    for (let at = value; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
      for (const name of Object.getOwnPropertyNames(at)) names.add(name)
    }
    return [...names].filter((name) => !/^(constructor|dispose|share|save|_.*)$/.test(name))
  }

  it.each<[string, () => object, number]>([
    ['a tensor', () => torch.ones([2, 3]), 7],
    ['a module', () => model.view(), 1],
    ['a generator', () => new sos.Generator(), 1],
  ])('to the methods and setters of %s, too', async (what, make, step) => {
    const names = own(make()).filter(
      (name, i) => i % step === 0 || /^(grad|backward|at|to|set|item)/.test(name),
    )
    const found: string[] = []
    for (const name of names) {
      const property = (value: object): PropertyDescriptor =>
        Object.getOwnPropertyDescriptor(value, name) ?? property(Object.getPrototypeOf(value))
      const { set, value } = property(make())
      const lists = wrong.flatMap((one) => [[one], [tensor, one], ['x', one]])
      if (set !== undefined) {
        const assign = (one: unknown) => Object.assign(make(), { [name]: one })
        found.push(
          ...(await strangers(
            `${what}.${name} =`,
            assign,
            wrong.map((one) => [one]),
          )),
        )
      } else if (typeof value === 'function') {
        const call = (...args: unknown[]) => Reflect.apply(value, make(), args)
        found.push(...(await strangers(`${what}.${name}`, call, lists)))
      }
    }
    expect(found).toEqual([])
  })

  it('to what writes weights give one, and write nothing', async () => {
    for (const [path, tensors, options] of [
      [1, new Map(), {}],
      ['x.pt', {}, {}],
      ['x.pt', null, {}],
      ['x.pt', new Map([['a', 1]]), {}],
      ['x.safetensors', new Map([[1, tensor]]), {}],
      ['x.pt', new Map([['a', tensor]]), null],
      ['x.pt', new Map([['a', tensor]]), { format: 'onnx' }],
    ]) {
      await expect(
        sos.saveStateDict(path as string, tensors as never, options as never),
      ).rejects.toMatchObject({
        name: 'SosError',
        code: 'ERR_INVALID_ARGUMENT',
      })
    }
  })
})

describe('errors of the addon', () => {
  it('are instances of the same class, sync and async, with what they had before', async () => {
    const errors = await Promise.all(
      [
        () => tensor.matmul(tensor),
        () => torch.async.matmul(tensor, tensor),
        () => tensor.add('text' as never),
        () => ScriptModule.load('nowhere.pt'),
        () => model.forward(torch.ones([1, 2, 3, 4, 5])),
        () => torch.zeros([2 ** 45]),
        async () => (await ScriptModule.load(demoModel)).submodule('fc').setAttribute('nothing', 1),
      ].map(async (body) => {
        try {
          await body()
        } catch (error) {
          return error as SosError & { submodule?: string }
        }
        throw new Error('expected a failure')
      }),
    )
    for (const error of errors) {
      expect(error).toBeInstanceOf(SosError)
      expect(error.name).toBe('SosError')
      expect(error.stack).toContain('arguments.test.ts')
    }
    expect(errors.map(({ code }) => code)).toEqual([
      'ERR_TORCH',
      'ERR_TORCH',
      'ERR_OPERATOR_ARGUMENTS',
      'ERR_FILE_NOT_FOUND',
      'ERR_TORCH',
      'ERR_OUT_OF_MEMORY',
      'ERR_NO_ATTRIBUTE',
    ])
    expect(errors[4]!.submodule).toBeTypeOf('string')
  })

  it('of a hook go through as they are', async () => {
    const mine = new TypeError('mine')
    const hooked = await ScriptModule.load(demoModel)
    hooked.registerForwardHook(
      'fc',
      () => {
        throw mine
      },
      { replace: true },
    )
    await expect(hooked.forward(torch.rand([1, 1, 28, 28]))).rejects.toBe(mine)
  })
})
