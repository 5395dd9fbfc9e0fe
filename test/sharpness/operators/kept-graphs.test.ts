import { describe, expect, it } from 'vitest'

import type { Dataset } from '../../../src/data/index.js'
import { ScriptModule } from '../../../src/index.js'
import { hessian, type OperatorOptions } from '../../../src/sharpness/index.js'
import { KeptGraphs } from '../../../src/sharpness/operators/kept-graphs.js'
import { memoryStats, scope, type Tensor, torch } from '../../../src/torch/index.js'
import { datasetOf } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const shape = [7, 6]
const load = () => ScriptModule.load(fixture('curvature.gelu.pt'))
const dataOf = (corrupt: number[] = []) =>
  datasetOf('vectors', randn(shape, 5, 'float64'), ['a', 'b', 'c'], corrupt)

describe('the graphs that are kept', () => {
  it('save the forwards of later calls, and are freed', async () => {
    let loads = 0
    const own = dataOf()
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
      using operator = hessian(await load(), data, all, { chunk: 2, ...options })
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
    const whole = hessian(await load(), data, all, { chunk: 2 })
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
    const data = dataOf()
    using operator = hessian(await load(), data, [0, 1, 2, 3])
    const vector = torch.ones([operator.size], { dtype: 'float64' })
    const first = await scope(async () => (await operator.apply([vector]))[0]!.toArray())
    const second = await scope(async () => (await operator.apply([vector]))[0]!.toArray())
    expect(second).toEqual(first)
    // Calls that overlap take their turns.
    const both = await Promise.all([operator.apply([vector]), operator.apply([vector])])
    for (const [product] of both) expect(product!.toArray()).toEqual(first)
  })

  it('count the images that could not be read, and report all progress', async () => {
    const data = dataOf([0, 1, 5])
    const heard: string[] = []
    using operator = hessian(await load(), data, [...data.labels.keys()], {
      chunk: 2,
      onProgress: ({ done, total }) => heard.push(`${done}/${total}`),
    })
    using fresh = hessian(await load(), data, [2, 3, 4, 6])
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
    const data = dataOf()
    const model = await load()
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
