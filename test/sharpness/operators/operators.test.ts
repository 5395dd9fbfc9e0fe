import { beforeAll, describe, expect, it } from 'vitest'

import type { Dataset } from '../../../src/data/index.js'
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
import { KeptGraphs } from '../../../src/sharpness/operators/kept-graphs.js'
import { memoryStats, scope, type Tensor, torch } from '../../../src/torch/index.js'
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
    expect(seen).toEqual([...data.labels.keys()])
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

describe('the graphs that are kept', () => {
  it('save the forwards of later calls, and are freed', async () => {
    const network = networks.gelu!
    let loads = 0
    const own = dataOf(network)
    const data: Dataset = {
      ...own,
      load: (indices) => {
        loads++
        return own.load(indices)
      },
    }
    const all = [...data.labels.keys()]
    const vector = (size: number) => [torch.ones([size], { dtype: 'float64' })]
    const loadsOf = async (options: OperatorOptions) => {
      using operator = hessian(await load('gelu'), data, all, { chunk: 2, ...options })
      loads = 0
      const each: number[] = []
      for (let call = 0; call < 3; call++) {
        await operator.apply(vector(operator.size))
        each.push(loads)
      }
      return each
    }
    expect(await loadsOf({})).toEqual([4, 4, 4])
    expect(await loadsOf({ graphBytes: 0 })).toEqual([4, 8, 12])
    const whole = hessian(await load('gelu'), data, all, { chunk: 2 })
    const before = memoryStats().allocatedBytes
    await scope(() => whole.apply(vector(whole.size)).then(() => {}))
    const bytes = memoryStats().allocatedBytes - before
    whole.dispose()
    expect(memoryStats().allocatedBytes - before).toBeLessThan(bytes / 4)
    const partly = await loadsOf({ graphBytes: bytes / 2 })
    expect(partly[2]! - partly[1]!).toBeGreaterThan(0)
    expect(partly[2]! - partly[1]!).toBeLessThan(4)
  })

  it('are the first ones without a gap, measured at least as large as those before', () => {
    const graph = () => ({ tensors: [torch.ones([1])], multiply: async () => [] })
    const chunk = (start: number, end: number, loaded = end - start) => ({
      graph: graph(),
      loaded,
      start,
      end,
    })
    const kept = new KeptGraphs(1000, 'cpu')
    expect(kept.add(chunk(0, 10), -5)).toBe(false) // the garbage collector ran: not measured
    expect(kept.add(chunk(10, 20), 100)).toBe(false) // it would leave a gap
    expect(kept.add(chunk(0, 10), 400)).toBe(true)
    expect(kept.add(chunk(10, 20, 9), 10)).toBe(true) // counted as 360
    expect(kept.add(chunk(20, 30), 10)).toBe(false) // 1160 bytes
    expect(kept.add(chunk(20, 21), 1)).toBe(false) // none after the first that did not fit
    expect(kept.graphs.map(({ end }) => end)).toEqual([10, 20])
    const [first] = kept.graphs
    kept[Symbol.dispose]()
    expect(first!.graph.tensors[0]!.disposed).toBe(true)
  })

  it('survive the scope in which they were made', async () => {
    const data = dataOf(networks.gelu!)
    using operator = hessian(await load('gelu'), data, [0, 1, 2, 3])
    const vector = torch.ones([operator.size], { dtype: 'float64' })
    const first = await scope(async () => (await operator.apply([vector]))[0]!.toArray())
    const second = await scope(async () => (await operator.apply([vector]))[0]!.toArray())
    expect(second).toEqual(first)
    // Calls that overlap take their turns.
    const both = await Promise.all([operator.apply([vector]), operator.apply([vector])])
    for (const [product] of both) expect(product!.toArray()).toEqual(first)
  })

  it('count the images that could not be read, and report all progress', async () => {
    const network = networks.gelu!
    const data = datasetOf('vectors', randn(network.shape, 5, 'float64'), ['a', 'b', 'c'], [0, 1, 5])
    const heard: string[] = []
    using operator = hessian(await load('gelu'), data, [...data.labels.keys()], {
      chunk: 2,
      onProgress: ({ done, total }) => heard.push(`${done}/${total}`),
    })
    using fresh = hessian(await load('gelu'), data, [2, 3, 4, 6])
    const vectors = [1, 2].map((seed) => randn([operator.size], seed, 'float64'))
    const expected = await fresh.apply(vectors)
    for (let call = 0; call < 2; call++) {
      heard.length = 0
      const products = await operator.apply(vectors)
      products.forEach((product, i) => {
        const [a, b] = [product, expected[i]!].map((one) => one.toTypedArray() as Float64Array)
        expect(largestDifference(a!, b!)).toBeLessThan(1e-14)
      })
      expect(heard.at(-1)).toBe('14/14')
      expect(new Set(heard.map((one) => one.split('/')[1]))).toEqual(new Set(['14']))
    }
  })

  it('are not kept while hooks may change what the model computes', async () => {
    const data = dataOf(networks.gelu!)
    const model = await load('gelu')
    let factor = 1
    using _hook = model.registerForwardHook('1', ({ output }) => (output as Tensor).mul(factor), {
      replace: true,
    })
    using operator = hessian(model, data, [0, 1, 2])
    const vector = torch.ones([operator.size], { dtype: 'float64' })
    const [first] = await operator.apply([vector])
    factor = 2
    const [second] = await operator.apply([vector])
    expect(second!.sub(first!).abs().max().item()).toBeGreaterThan(1e-6)
  })
})
