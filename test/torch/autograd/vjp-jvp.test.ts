import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { jvp, vjp } from '../../../src/torch/index.js'

import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

type Function = (...inputs: Tensor[]) => Tensor | Tensor[] | Promise<Tensor>

const float64 = { dtype: 'float64' } as const
let mlp: ScriptModule
// biome-ignore lint/suspicious/noExplicitAny: what the reference prints
let python: any
beforeAll(async () => {
  const file = fixture('mlp.scripted.pt')
  mlp = await ScriptModule.load(file)
  python = await reference('functional', { mlp: file })
}, 60_000)

// The functions and shapes of test/reference/functional.py.
const cases: [name: string, fn: Function, inputs: number[][], outputs: number[][]][] = [
  ['one to one', (x) => x!.sin().mul(x!), [[3]], [[3]]],
  [
    'a scalar of matrices',
    (a, b) => a!.matmul(b!).square().sum(),
    [
      [2, 3],
      [3, 2],
    ],
    [[]],
  ],
  [
    'several to several',
    (a, b) => [a!.mul(b!), a!.exp().sum(0), b!.tanh()],
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3], [2, 3]],
  ],
  ['an input that is not used', (a) => a!.square(), [[4], [2]], [[4]]],
  ['an output that depends on nothing', (a) => [a!.mul(2), torch.ones([2], float64)], [[4]], [[4], [2]]],
  ['nothing that depends on the input', () => torch.ones([2], float64), [[4]], [[2]]],
  ['linear', (a) => a!.mul(3), [[4]], [[4]]],
  ['TorchScript', (x) => mlp.forward(x), [[5, 6]], [[5, 3]]],
]

const seeded = (shapes: number[][], seed: number) =>
  shapes.map((shape, i) => randn(shape, seed + i, 'float64'))

function expectEqual(tensors: Tensor[], expected: unknown[]): void {
  expect(tensors).toHaveLength(expected.length)
  tensors.forEach((tensor, i) => {
    const wanted = torch.tensor(expected[i] as number[], float64)
    expect(tensor.shape).toEqual(wanted.shape)
    expect(
      largestDifference(tensor.toTypedArray<Float64Array>(), wanted.toTypedArray<Float64Array>()),
    ).toBeLessThan(1e-12)
  })
}

describe.each(cases)('%s', (name, fn, inputShapes, outputShapes) => {
  it("has Python's vector-Jacobian product", async () => {
    const { outputs, product } = await vjp(fn, seeded(inputShapes, 10), seeded(outputShapes, 20))
    expectEqual(outputs, python[name].outputs)
    expectEqual(product, python[name].vjp)
    expect(outputs.some(({ requiresGrad }) => requiresGrad)).toBe(false)
  })

  it("has Python's Jacobian-vector product", async () => {
    const { outputs, product } = await jvp(fn, seeded(inputShapes, 10), seeded(inputShapes, 30))
    expectEqual(outputs, python[name].outputs)
    expectEqual(product, python[name].jvp)
  })
})

describe('vjp and jvp', () => {
  it('leave the inputs as they were, and record inside noGrad too', async () => {
    const x = torch.tensor([1, 2], { requiresGrad: true })
    const { product } = await torch.noGrad(() => vjp((y) => y!.square(), [x], [torch.tensor([1, 10])]))
    expect(product[0]!.toArray()).toEqual([2, 40])
    expect([x.grad, x.requiresGrad, product[0]!.requiresGrad]).toEqual([null, true, false])
    const forward = await torch.noGrad(() => jvp((y) => y!.square(), [x], [torch.tensor([1, 10])]))
    expect(forward.product[0]!.toArray()).toEqual([2, 40])
  })

  it('need no vector for one scalar, and refuse vectors that do not fit', async () => {
    const x = torch.tensor([1, 2])
    const { product } = await vjp((y) => y!.square().sum(), [x])
    expect(product[0]!.toArray()).toEqual([2, 4])
    await expect(vjp((y) => y!.square(), [x])).rejects.toThrow(/scalar outputs/)
    await expect(vjp((y) => y!.square(), [x], [torch.ones([3])])).rejects.toThrow(/\[3\].*\[2\]/s)
    await expect(jvp((y) => y!.square(), [x], [])).rejects.toMatchObject({ code: 'ERR_SHAPE' })
    await expect(jvp((y) => y!.square(), [x], [torch.ones([3])])).rejects.toThrow(/\[2\].*\[3\]/)
  })

  it('pass on what the function throws', async () => {
    const fail = () => {
      throw new RangeError('mine')
    }
    await expect(vjp(fail, [torch.ones([1])])).rejects.toThrow(new RangeError('mine'))
    await expect(jvp(fail, [torch.ones([1])], [torch.ones([1])])).rejects.toThrow(new RangeError('mine'))
  })
})
