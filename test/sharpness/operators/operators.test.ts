import { beforeAll, describe, expect, it } from 'vitest'

import { ScriptModule } from '../../../src/index.js'
import {
  type Activations,
  activationHessian,
  empiricalFisher,
  fisher,
  gaussNewton,
  hessian,
  type OperatorOptions,
  residualHessian,
  type SymmetricOperator,
} from '../../../src/sharpness/index.js'
import { type Tensor, torch } from '../../../src/torch/index.js'
import { datasetOf } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

interface Dense {
  names: string[]
  sizes: number[]
  hessian: number[][]
  gaussNewton: number[][]
  empiricalFisher: number[][]
  residual: number[][]
  layerInput: number[][] | null
}

interface Network {
  file: string
  shape: number[]
  outputs?: 'probabilities'
  layer?: string
}

/** Piecewise linear with convolutions and BatchNorm, curved, with attention, and one that ends in a softmax. */
const networks: Record<string, Network> = {
  residual: { file: fixture('curvature.residual.pt'), shape: [7, 6] },
  gelu: { file: fixture('curvature.gelu.pt'), shape: [7, 6], layer: '4' },
  layer_norm: { file: fixture('curvature.layer_norm.pt'), shape: [7, 6], layer: '3' },
  attention: { file: fixture('attention.layer_double.pt'), shape: [5, 1, 8, 8] },
  softmax: { file: fixture('curvature.softmax.pt'), shape: [7, 6], outputs: 'probabilities' },
}
const names = Object.keys(networks)
const dense: Record<string, Dense> = {}

beforeAll(async () => {
  const cases = Object.values(networks).map(({ file, shape, outputs, layer = null }) => ({
    ...{ model: file, shape, seed: 5, classes: 3, probabilities: outputs === 'probabilities', layer },
  }))
  const found: Dense[] = await reference('dense_operators', { cases })
  names.forEach((name, i) => {
    dense[name] = found[i]!
  })
}, 60_000)

const dataOf = ({ shape }: Network) => datasetOf('vectors', randn(shape, 5, 'float64'), ['a', 'b', 'c'])
const load = (name: string) => ScriptModule.load(networks[name]!.file)

/** How far products with three vectors are from those of a dense matrix, next to its largest entry. */
async function error(operator: SymmetricOperator, matrix: number[][] | Tensor): Promise<number> {
  const exact = Array.isArray(matrix) ? torch.tensor(matrix, { dtype: 'float64' }) : matrix
  expect(exact.shape).toEqual([operator.size, operator.size])
  const vectors = [1, 2, 3].map((seed) => randn([operator.size], seed, 'float64'))
  const products = await operator.apply(vectors)
  const errors = vectors.map((vector, i) =>
    largestDifference(
      products[i]!.toTypedArray() as Float64Array,
      exact.mv(vector).toTypedArray() as Float64Array,
    ),
  )
  return Math.max(...errors) / Math.max(1e-300, exact.abs().max().item())
}

const kinds = [
  ['hessian', hessian, 'hessian'],
  ['gaussNewton', gaussNewton, 'gaussNewton'],
  ['fisher', fisher, 'gaussNewton'],
  ['empiricalFisher', empiricalFisher, 'empiricalFisher'],
  ['residualHessian', residualHessian, 'residual'],
] as const

describe.each(kinds)('%s', (_, make, matrix) => {
  it.each(names)(
    "multiplies as Python's dense matrix does, whatever is kept and in whatever chunks: %s",
    async (name) => {
      const { outputs } = networks[name]!
      const data = dataOf(networks[name]!)
      const ways: OperatorOptions[] = [
        {},
        { chunk: 3 },
        { chunk: 2, graphBytes: 0 },
        { chunk: 1, graphBytes: 100_000 },
      ]
      for (const way of ways) {
        using operator = make(await load(name), data, [...data.labels.keys()], {
          ...way,
          ...(outputs && { outputs }),
        })
        expect(operator.parameters).toEqual(dense[name]!.names)
        // The second time from the graphs that were kept, if any.
        for (let call = 0; call < 2; call++)
          expect(await error(operator, dense[name]![matrix])).toBeLessThan(1e-11)
      }
    },
  )

  it('is restricted to parameters by a pattern', async () => {
    const data = dataOf(networks.residual!)
    const { names: all, sizes } = dense.residual!
    const whole = torch.tensor(dense.residual![matrix], { dtype: 'float64' })
    for (const pattern of ['fc.*', '**.weight', 'scale', 'n*']) {
      const glob = { 'fc.*': /^fc\./, '**.weight': /\.weight$/, scale: /^scale$/, 'n*': /^$/ }[pattern]!
      const chosen = all.filter((one) => glob.test(one))
      const model = await load('residual')
      if (chosen.length === 0) {
        expect(() => make(model, data, [0], { parameters: pattern })).toThrow("'n*' matches none of its")
        continue
      }
      const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0))
      const places = all.flatMap((one, i) =>
        chosen.includes(one) ? Array.from({ length: sizes[i]! }, (_, j) => starts[i]! + j) : [],
      )
      const index = torch.tensor(places, { dtype: 'int64' })
      using operator = make(model, data, [...data.labels.keys()], { parameters: pattern })
      expect(operator.parameters).toEqual(chosen)
      expect(operator.size).toBe(places.length)
      expect(await error(operator, whole.index_select(0, index).index_select(1, index))).toBeLessThan(1e-11)
      expect(operator.withoutGradient()).toEqual([])
    }
  })

  it('refuses to go on after a weight or a buffer was written to, and after its end', async () => {
    const data = dataOf(networks.residual!)
    const vector = (size: number) => [torch.ones([size], { dtype: 'float64' })]
    for (const change of ['fc.bias', 'norm.running_mean'] as const) {
      const model = await load('residual')
      using operator = make(model, data, [0, 1])
      await operator.apply(vector(operator.size))
      const own = model.namedParameters().get(change) ?? model.namedBuffers().get(change)!
      torch.noGrad(() => own.add_(0))
      await expect(operator.apply(vector(operator.size))).rejects.toMatchObject({
        code: 'ERR_WEIGHTS_CHANGED',
        message: expect.stringContaining(`'${change}'`),
      })
      using again = make(model, data, [0, 1])
      await again.apply(vector(again.size))
      await model.to({ dtype: 'float32' })
      await expect(again.apply(vector(again.size))).rejects.toMatchObject({ code: 'ERR_WEIGHTS_CHANGED' })
    }
    const operator = make(await load('residual'), data, [0, 1])
    await operator.apply(vector(operator.size))
    operator.dispose()
    operator.dispose()
    await expect(operator.apply(vector(operator.size))).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

describe('the parts of the Hessian', () => {
  it.each(names)('of the logits and of the network add up: H = G + R, %s', async (name) => {
    const { outputs } = networks[name]!
    const data = dataOf(networks[name]!)
    const all = [...data.labels.keys()]
    const options = outputs ? { outputs } : {}
    const model = await load(name)
    const sum: SymmetricOperator = {
      ...{ size: hessian(model, data, all, options).size, dtype: 'float64' },
      apply: async (vectors) => {
        const g = await gaussNewton(model, data, all, options).apply(vectors)
        const r = await residualHessian(model, data, all, options).apply(vectors)
        return g.map((product, i) => product.add(r[i]!))
      },
    }
    expect(await error(sum, dense[name]!.hessian)).toBeLessThan(1e-11)
  })
})

describe('activationHessian', () => {
  const cosine = ({ values, labels }: Activations) =>
    values.cos().mul(labels.add(1).view([-1, ...values.shape.slice(1).map(() => 1)]))

  it.each(['gelu', 'layer_norm'])('is that of the input of a layer: %s', async (name) => {
    const { layer } = networks[name]!
    const data = dataOf(networks[name]!)
    const seen: number[] = []
    const weights = (given: Activations) => {
      seen.push(...given.indices)
      return cosine(given)
    }
    using operator = activationHessian(await load(name), data, [...data.labels.keys()], weights, {
      layer: layer!,
      chunk: 4,
    })
    expect(await error(operator, dense[name]!.layerInput!)).toBeLessThan(1e-11)
    expect(await error(operator, dense[name]!.layerInput!)).toBeLessThan(1e-11)
    // A graph that is kept asks for its weights once.
    expect([7, 14]).toContain(seen.length)
    expect(seen.slice(0, 7)).toEqual([...data.labels.keys()])
    expect(operator.withoutGradient()).toEqual(['4.weight', '4.bias'])
  })

  it('refuses weights of another shape, and layers that are not there', async () => {
    const data = dataOf(networks.gelu!)
    const model = await load('gelu')
    const apply = (weights: (given: Activations) => Tensor, layer?: string) => {
      const operator = activationHessian(model, data, [0, 1], weights, layer === undefined ? {} : { layer })
      return operator.apply([torch.ones([operator.size], { dtype: 'float64' })])
    }
    await expect(apply(() => torch.ones([3]))).rejects.toMatchObject({ code: 'ERR_SHAPE' })
    await expect(apply(() => 5 as never)).rejects.toMatchObject({ code: 'ERR_SHAPE' })
    await expect(apply(cosine, 'head')).rejects.toMatchObject({ code: 'ERR_NO_SUCH_MODULE' })
    // The images depend on no parameter.
    await expect(apply(cosine, '0')).rejects.toMatchObject({ code: 'ERR_NO_GRADIENT' })
  })
})
