import { describe, expect, it } from 'vitest'

import { ScriptModule, sampleIndices } from '../../../src/index.js'
import { averageSharpness, worstCaseSharpness } from '../../../src/sharpness/index.js'
import { type Tensor, torch } from '../../../src/torch/index.js'
import { datasetOf } from '../../support/datasets.js'
import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const [seed, shape] = [5, [9, 6]]
const data = datasetOf('vectors', randn(shape, seed, 'float64'), ['a', 'b', 'c'])
const file = fixture('curvature.gelu.pt')
const load = () => ScriptModule.load(file)
const given = { model: file, shape, seed, classes: 3, eta: 0.01, probes: 5, probeSeed: 3 }

/** Values by image in the order of the dataset. */
function inOrder({ perImage, indices }: { perImage: readonly number[]; indices: readonly number[] }) {
  const all: number[] = []
  indices.forEach((index, i) => {
    all[index] = perImage[i]!
  })
  return all
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length

function standardError(values: readonly number[]): number {
  const squares = values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1) / values.length)
}

describe('worstCaseSharpness', () => {
  it.each([
    [1, 1, false],
    [6, 0.4, false],
    [4, undefined, false],
    [1, 1, true],
    [5, 0.5, true],
  ])(
    'takes the steps that Python takes: %i of the size %s, adaptive %s',
    async (steps, stepSize, adaptive) => {
      const rho = adaptive ? 1.5 : 0.7
      const python = await reference('neighbourhood', {
        ...{ ...given, rho, adaptive, steps, stepSize: stepSize ?? 2.5 / 4 },
      })
      const model = (await load()).train() // Python's is in eval mode
      for (const chunk of [128, 4]) {
        const options = { rho, steps, adaptive, chunk, ...(stepSize !== undefined && { stepSize }) }
        const found = await worstCaseSharpness(model, data, options)
        expect(found.perStep).toHaveLength(steps)
        expect(largestDifference(found.perStep, python.perStep)).toBeLessThan(1e-12)
        expect(Math.abs(found.gradientNorm - python.gradientNorm)).toBeLessThan(1e-12)
        expect(found.loss).toBeCloseTo(mean(python.losses), 12)
        const rises = python.best.map((loss: number, i: number) => loss - python.losses[i])
        expect(largestDifference(inOrder(found), rises)).toBeLessThan(1e-12)
        expect(found.sharpness).toBeCloseTo(mean(rises), 12)
        expect(found.standardError).toBeCloseTo(standardError(rises), 12)
        expect(found).toMatchObject({ samples: 9, rho, adaptive })
      }
      expect(model.training).toBe(true)
    },
  )

  it('is ρ‖g‖ + ρ²gᵀHg/(2‖g‖²) for a small radius, and changes nothing in the model', async () => {
    const { matrix } = await reference('dense_hessian', { model: file, shape, seed, classes: 3 })
    const dense = torch.tensor(matrix as number[][], { dtype: 'float64' })
    const model = await load()
    const before = model.parameters().map((parameter) => parameter.toArray())
    const rho = 1e-3
    const found = await worstCaseSharpness(model, data, { rho, steps: 1 })
    const output = await model.forward(randn(shape, seed, 'float64'))
    const labels = torch.tensor([...data.labels], { dtype: 'int64' })
    const loss = torch.cross_entropy_loss(output as Tensor, labels)
    const g = torch.cat(
      (await torch.autograd.grad([loss], model.parameters())).map((one) => one.reshape([-1])),
    )
    const length = g.square().sum().sqrt().item()
    const expected = rho * length + (rho ** 2 * g.dot(dense.mv(g)).item()) / (2 * length ** 2)
    expect(Math.abs(found.sharpness / expected - 1)).toBeLessThan(1e-6) // the third order is some ρ² of it
    expect(model.parameters().map((parameter) => parameter.toArray())).toEqual(before)
  })

  it('restricts the ball to some parameters', async () => {
    const [model, rho] = [await load(), 0.5]
    const part = await worstCaseSharpness(model, data, { rho, parameters: '4.*' })
    const whole = await worstCaseSharpness(model, data, { rho })
    expect(part.size).toBe(27)
    expect(part.sharpness).toBeLessThan(whole.sharpness)
    expect(part.gradientNorm).toBeLessThan(whole.gradientNorm)
    await expect(worstCaseSharpness(model, data, { parameters: 'x' })).rejects.toMatchObject({
      code: 'ERR_NO_SUCH_PARAMETER',
    })
  })

  it('refuses a model whose gradient reaches nothing', async () => {
    const model = await ScriptModule.load(fixture('heads.Detached.pt'))
    await expect(worstCaseSharpness(model, data)).rejects.toMatchObject({ code: 'ERR_NO_GRADIENT' })
  })
})

describe('averageSharpness', () => {
  it.each(['sphere', 'gaussian'] as const)(
    "has Python's rises for the same directions: %s",
    async (distribution) => {
      for (const adaptive of [false, true]) {
        const python = await reference('neighbourhood', {
          ...{ ...given, rho: 0.8, adaptive, steps: 1, stepSize: 1 },
        })
        const model = await load()
        const options = { rho: 0.8, adaptive, probes: 5, seed: 3, distribution, chunk: 4 }
        const found = await averageSharpness(model, data, options)
        const expected = python.perProbe[distribution]
        expect(largestDifference(found.perProbe, expected)).toBeLessThan(1e-12)
        expect(found.sharpness).toBeCloseTo(mean(expected), 12)
        expect(found.probeStandardError).toBeCloseTo(standardError(expected), 12)
        expect(mean(found.perImage)).toBeCloseTo(found.sharpness, 12)
        expect(found.standardError).toBeCloseTo(standardError(found.perImage), 12)
        expect(found.indices).toEqual(sampleIndices(data, { size: 9, sampling: 'uniform', seed: 3 }))
      }
    },
  )

  it('is ρ² tr(H)/(2n) for a small radius', async () => {
    const { trace } = await reference('dense_hessian', { model: file, shape, seed, classes: 3 })
    const model = await load()
    const rho = 1e-2
    for (const distribution of ['sphere', 'gaussian'] as const) {
      const found = await averageSharpness(model, data, { rho, distribution, probes: 300 })
      const expected = (rho ** 2 * trace) / (2 * found.size)
      expect(Math.abs(found.sharpness - expected)).toBeLessThan(4 * found.probeStandardError)
      expect(found.probeStandardError).toBeLessThan(0.1 * expected)
    }
  })

  it('pairs two models by the same seed, leaves out corrupt images, and reports all progress', async () => {
    const hole = datasetOf('vectors', randn(shape, seed, 'float64'), ['a', 'b', 'c'], [2])
    const heard: { done: number; total: number }[] = []
    const options = { rho: 0.3, probes: 2, chunk: 2 }
    const first = await averageSharpness(await load(), hole, { ...options, onProgress: (p) => heard.push(p) })
    const second = await averageSharpness(await load(), hole, options)
    expect(second).toEqual(first)
    expect(first.perImage).toHaveLength(8)
    expect(first.indices).not.toContain(2)
    expect(heard.at(-1)).toEqual({ done: 45, total: 45 })
    const steps = heard.map(({ done }, i) => done - (heard[i - 1]?.done ?? 0))
    expect(Math.min(...steps)).toBeGreaterThan(0)
  })

  it('refuses another distribution', async () => {
    const wrong = averageSharpness(await load(), data, { distribution: 'cube' as 'sphere' })
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })
})
