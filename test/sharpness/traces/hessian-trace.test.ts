import { describe, expect, it } from 'vitest'
import { meanWithError } from '../../../src/base/statistics/spread.js'
import type { Dataset, Progress } from '../../../src/data/index.js'
import {
  hessian,
  hessianTrace,
  idxFolder,
  preprocessOf,
  ScriptModule,
  type SosError,
  shiftOptimum,
  torch,
} from '../../../src/index.js'
import {
  compareTraces,
  compareWith,
  type HessianTrace,
  hutchinsonTrace,
} from '../../../src/sharpness/index.js'
import { demoModel, fashionMnist, fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const small = {
  name: 'vectors',
  size: 7,
  classes: ['a', 'b', 'c'],
  labels: Int32Array.from({ length: 7 }, (_, i) => i % 3),
  load: async (indices) => ({
    images: randn([7, 6], 5, 'float64').index_select(0, torch.tensor([...indices], { dtype: 'int64' })),
    indices,
    skipped: [],
  }),
} satisfies Dataset

describe('hessian', () => {
  it('is of the mean over the images that were loaded', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const hole: Dataset = {
      ...small,
      load: async (indices) => {
        const rest = indices.filter((index) => index !== 3)
        const skipped = rest.length < indices.length ? [{ index: 3, path: 'x', reason: 'corrupt' }] : []
        return { ...(await small.load(rest)), skipped }
      },
    }
    const vector = randn([hessian(model, small, [0]).size], 1, 'float64')
    const product = async (dataset: Dataset, indices: number[]) =>
      (
        await hessian(model, dataset, indices, { chunk: 1 }).apply([vector])
      )[0]!.toTypedArray() as Float64Array
    const expected = await product(small, [0, 5])
    expect(largestDifference(await product(hole, [0, 3, 5]), expected)).toBeLessThan(1e-14)
    await expect(product(hole, [3])).rejects.toMatchObject({ code: 'ERR_DATASET' })
  })

  it('multiplies as the dense matrix does, whatever the chunks', async () => {
    const file = fixture('mlp.scripted.pt')
    const { matrix } = await reference('dense_hessian', { model: file, shape: [7, 6], seed: 5, classes: 3 })
    const dense = torch.tensor(matrix as number[][], { dtype: 'float64' })
    const model = await ScriptModule.load(file)
    for (const chunk of [128, 3]) {
      const operator = hessian(model, small, [...Array(7).keys()], { chunk })
      expect([operator.size, operator.dtype]).toEqual([dense.shape[0], 'float64'])
      expect(operator.withoutGradient()).toEqual([])
      const vectors = [1, 2].map((seed) => randn([operator.size], seed, 'float64'))
      const products = await operator.apply(vectors)
      for (const [i, vector] of vectors.entries()) {
        const expected = dense.matmul(vector).toTypedArray() as Float64Array
        expect(largestDifference(products[i]!.toTypedArray() as Float64Array, expected)).toBeLessThan(1e-12)
      }
    }
  })
})

describe('hutchinsonTrace', () => {
  it('reports the standard error of a mean, with n − 1', () => {
    // The squares of the distances from 5 add up to 32: √(32 / 7 / 8).
    expect(meanWithError([2, 4, 4, 4, 5, 5, 7, 9])).toEqual({ mean: 5, standardError: Math.sqrt(4 / 7) })
    const trace = (perProbe: number[]): HessianTrace => ({
      ...{ trace: 0, size: 9, standardError: 0, probes: 3, samples: 5, indices: [], withoutGradient: [] },
      perProbe,
    })
    // The differences are 1, 3 and 2: their variance is 1.
    expect(compareWith(trace([1, 2, 4]), trace([2, 5, 6]))).toMatchObject({
      difference: 2,
      differenceStandardError: Math.sqrt(1 / 3),
    })
  })

  it('is exact on a diagonal, and unbiased elsewhere', async () => {
    const operator = (matrix: ReturnType<typeof torch.eye>) => ({
      size: matrix.shape[0]!,
      dtype: 'float64' as const,
      apply: async (vectors: readonly ReturnType<typeof torch.eye>[]) => vectors.map((v) => matrix.matmul(v)),
    })
    const diagonal = torch.diag(torch.tensor([3, -1, 5], { dtype: 'float64' }))
    const exact = await hutchinsonTrace(operator(diagonal), { probes: 2, seed: 0 })
    expect([exact.trace, exact.standardError]).toEqual([7, 0])
    const root = randn([30, 30], 1, 'float64')
    const matrix = root.matmul(root.t())
    const estimate = await hutchinsonTrace(operator(matrix), { probes: 400, seed: 1 })
    const off = matrix.trace().item() - estimate.trace
    expect(Math.abs(off)).toBeLessThan(4 * estimate.standardError)
    await expect(hutchinsonTrace(operator(matrix), { probes: 1, seed: 0 })).rejects.toThrow('from 2 to')
  })
})

describe('hessianTrace', () => {
  it("has PyTorch's quadratic forms on the same samples and probes", async () => {
    const model = (await ScriptModule.load(demoModel)).train() // Python's is in eval mode
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const estimate = await hessianTrace(model, train, { samples: 48, probes: 4, seed: 3, chunk: 20 })
    const python = await reference('trace', {
      model: demoModel,
      folder: fashionMnist,
      indices: estimate.indices,
      probes: 4,
      seed: 3,
    })
    for (const [i, form] of estimate.perProbe.entries()) {
      expect(Math.abs(form / python.perProbe[i] - 1)).toBeLessThan(1e-4)
    }
    const mean = python.perProbe.reduce((a: number, b: number) => a + b, 0) / 4
    expect(Math.abs(estimate.trace / mean - 1)).toBeLessThan(1e-4)
    expect(model.training).toBe(true)
  })

  it('agrees with the dense trace within its error', async () => {
    const file = fixture('mlp.scripted.pt')
    const { trace } = await reference('dense_hessian', { model: file, shape: [7, 6], seed: 5, classes: 3 })
    const estimate = await hessianTrace(await ScriptModule.load(file), small, { probes: 300 })
    expect(Math.abs(estimate.trace - trace)).toBeLessThan(4 * estimate.standardError)
    expect(estimate.samples).toBe(7)
  })

  it('compares two models on the same probes', async () => {
    const [first, second] = await Promise.all([ScriptModule.load(demoModel), ScriptModule.load(demoModel)])
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(first))
    await shiftOptimum(second, train, { batchSize: 30 })
    const options = { samples: 32, probes: 3 }
    const comparison = await compareTraces(first, second, train, options)
    expect(comparison.first.indices).toEqual(comparison.second.indices)
    const differences = comparison.second.perProbe.map((value, i) => value - comparison.first.perProbe[i]!)
    expect(comparison.difference).toBeCloseTo(differences.reduce((a, b) => a + b) / 3, 8)
    const same = await compareTraces(first, first, train, options)
    expect([same.difference, same.differenceStandardError]).toEqual([0, 0])
    const other = await hessianTrace(first, train, { samples: 32, probes: 4 })
    expect(() => compareWith(comparison.first, other)).toThrow('same probes')
  })

  it('holds the second model while the first is measured, so that both are as they were given', async () => {
    const [first, second] = [await ScriptModule.load(demoModel), await ScriptModule.load(demoModel)]
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(first))
    const modes: string[] = []
    const onProgress = () => {
      for (const model of [first, second]) {
        try {
          model.train()
          modes.push('train')
        } catch (error) {
          modes.push((error as SosError).code)
        }
      }
    }
    await compareTraces(first, second, train, { samples: 4, probes: 2, onProgress })
    expect(modes.slice(0, 4)).toEqual(Array(4).fill('ERR_BUSY'))
    second.train()
    expect(second.training).toBe(true)
  })

  it('counts the images that could not be read as done', async () => {
    const hole: Dataset = {
      ...small,
      load: async (indices) => ({
        ...(await small.load(indices.filter((index) => index !== 3))),
        skipped: indices.includes(3) ? [{ index: 3, path: 'x', reason: 'corrupt' }] : [],
      }),
    }
    const seen: Progress[] = []
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    await hessianTrace(model, hole, {
      probes: 2,
      chunk: 3,
      onProgress: (progress) => void seen.push(progress),
    })
    // Seven images by two probes, in chunks of 3, 3 and 1 in some order of the images; one of them is not there.
    expect(seen.map(({ total }) => total)).toEqual(seen.map(() => 14))
    const steps = seen.map(({ done }, i) => done - (seen[i - 1]?.done ?? 0))
    expect(steps.every((step) => step > 0)).toBe(true)
    expect(seen.at(-1)!.done).toBe(14)
  })

  it('reports which argument is wrong', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    await expect(compareTraces(model, model, 5 as never)).rejects.toThrow('for dataset but received 5')
    await expect(compareTraces(model, 5 as never, small)).rejects.toThrow('for second but received 5')
    expect(() => compareWith(5 as never, 5 as never)).toThrow('for a trace but received 5')
  })

  it('refuses frozen modules and too many samples', async () => {
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    await expect(hessianTrace(frozen, small)).rejects.toMatchObject({ code: 'ERR_FROZEN' })
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    await expect(hessianTrace(model, small, { samples: 8 })).rejects.toMatchObject({ code: 'ERR_BATCH_SIZE' })
  })
})

describe('models with attention', () => {
  it.each(['product_double', 'layer_double'])('%s: the Hessian is the dense one', async (network) => {
    const file = fixture(`attention.${network}.pt`)
    const shape = [5, 1, 8, 8]
    const { matrix } = await reference('dense_hessian', { model: file, shape, seed: 5, classes: 3 })
    const dense = torch.tensor(matrix as number[][], { dtype: 'float64' })
    const images: Dataset = {
      ...small,
      size: 5,
      labels: small.labels.slice(0, 5),
      load: async (indices) => ({
        images: randn(shape, 5, 'float64').index_select(0, torch.tensor([...indices], { dtype: 'int64' })),
        indices,
        skipped: [],
      }),
    }
    const operator = hessian(await ScriptModule.load(file), images, [0, 1, 2, 3, 4])
    const vector = randn([operator.size], 1, 'float64')
    const [product] = await operator.apply([vector])
    const expected = dense.matmul(vector).toTypedArray() as Float64Array
    expect(largestDifference(product!.toTypedArray() as Float64Array, expected)).toBeLessThan(1e-10)
  })
})
