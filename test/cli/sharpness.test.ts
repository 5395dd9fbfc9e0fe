import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { idxFolder, preprocessOf, ScriptModule, sampleIndices } from '../../src/index.js'
import { densityAt } from '../../src/sharpness/index.js'

import { sos } from '../support/cli.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const folder = temporaryFolder()
const train = ['--data', `idx:${fashionMnist}:train`]
/** 280 parameters, so that Python can compute all of the Hessian. */
const model = fixture('thumbnail.relu.pt')
const shifted = join(folder, 'shifted.pt')

async function sharpness(...args: string[]) {
  const { code, stdout, stderr } = await sos('sharpness', ...args, ...train, '--json')
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** Which images `--samples` and `--seed` draw. */
async function drawn(path: string, samples: number, seed = 0): Promise<number[]> {
  const data = await idxFolder(fashionMnist, 'train', preprocessOf(await ScriptModule.load(path)))
  return sampleIndices(data, { size: samples, sampling: 'uniform', seed })
}

/** The eigenvalues of the whole Hessian that Python computes, the largest first. */
async function dense(path: string, samples: number): Promise<number[]> {
  const indices = await drawn(path, samples)
  const { eigenvalues } = await reference('dense_hessian', { model: path, folder: fashionMnist, indices })
  return eigenvalues.toReversed()
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

beforeAll(async () => {
  const { code, stderr } = await sos('shift', model, ...train, '--batch-size', '6', '--out', shifted)
  expect([code, code === 0 || stderr]).toEqual([0, true])
})

describe('sos sharpness', () => {
  it("--samples, --probes, --seed: PyTorch's quadratic forms", async () => {
    const told = await sharpness(demoModel, '--samples', '24', '--probes', '3', '--seed', '5')
    const indices = await drawn(demoModel, 24, 5)
    const given = { model: demoModel, folder: fashionMnist, indices, probes: 3, seed: 5 }
    const { perProbe } = await reference('trace', given)
    const mean = perProbe.reduce((a: number, b: number) => a + b) / 3
    const squares = perProbe.reduce((sum: number, one: number) => sum + (one - mean) ** 2, 0)
    expect(told).toMatchObject({ samples: 24, seed: 5, operator: 'hessian', withoutGradient: [] })
    const { trace } = told
    expect(trace).toMatchObject({ standardError: null, samples: 24, probes: 3, method: 'Hutchinson' })
    expect(Math.abs(trace.value / mean - 1)).toBeLessThan(1e-4)
    expect(Math.abs(trace.probeStandardError / Math.sqrt(squares / 2 / 3) - 1)).toBeLessThan(1e-3)
  })

  it("--measure eigenvalues --top: those of Python's dense Hessian, for both models", async () => {
    const options = ['--measure', 'eigenvalues', '--samples', '30', '--top', '20', '--tolerance', '1e-6']
    const told = await sharpness(model, '--compare', shifted, ...options)
    expect(Object.keys(told)).not.toContain('difference')
    for (const [path, { eigenvalues, products, floor }] of [
      [model, told],
      [shifted, told.compare],
    ]) {
      const truth = await dense(path, 30)
      expect(eigenvalues).toHaveLength(20)
      for (const [i, { value, residual, converged }] of eigenvalues.entries()) {
        expect(Math.abs(value / truth[i]! - 1)).toBeLessThan(1e-6)
        expect([converged, residual <= 1e-6 * value]).toEqual([true, true])
      }
      expect(products).toBeGreaterThan(20)
      expect(products).toBeLessThan(120)
      expect(floor).toBeCloseTo(truth[0]! * 2 ** -53, 18)
    }
  })

  it('--max-products: marks what has not converged, and the residual still bounds the error', async () => {
    const options = ['--measure', 'eigenvalues', '--samples', '30', '--top', '8', '--max-products', '12']
    const { eigenvalues, products } = await sharpness(model, ...options)
    expect([products, eigenvalues.length]).toEqual([12, 8])
    const truth = await dense(model, 30)
    for (const { value, residual } of eigenvalues) {
      expect(Math.min(...truth.map((one) => Math.abs(one - value)))).toBeLessThanOrEqual(residual + 1e-12)
    }
    expect(eigenvalues.at(-1)).toMatchObject({ converged: false })
    const { stdout } = await sos('sharpness', model, ...train, ...options)
    expect(stdout).toMatch(/\d \*/)
    expect(stdout).toMatch(/\d of 8 eigenvalues of thumbnail.relu.pt have converged, after 12 products/)
  })

  it('--operator, --parameters: the eigenvalues of other matrices and of a block', async () => {
    const options = ['--measure', 'eigenvalues,trace', '--samples', '30', '--top', '4', '--tolerance', '1e-6']
    const indices = await drawn(model, 30)
    const given = { model, folder: fashionMnist, indices, parameters: 'first.' }
    const matrices = await reference('dense_matrices', given)
    for (const operator of ['hessian', 'ggn', 'fisher', 'empirical-fisher']) {
      const [all, block] = [
        await sharpness(model, ...options, '--operator', operator, '--probes', '400'),
        await sharpness(model, ...options, '--operator', operator, '--parameters', 'first.*'),
      ]
      expect([all.size, block.size, block.parameters, all.operator]).toEqual([280, 170, 'first.*', operator])
      const truth = matrices[operator]
      for (const [i, { value }] of all.eigenvalues.entries()) {
        expect(Math.abs(value / truth.all[i] - 1)).toBeLessThan(1e-6)
        expect(Math.abs(block.eigenvalues[i].value / truth.block[i] - 1)).toBeLessThan(1e-6)
      }
      expect(Math.abs(all.trace.value - truth.trace)).toBeLessThan(4 * all.trace.probeStandardError)
      expect(all.trace.probeStandardError).toBeLessThan(0.1 * truth.trace)
    }
  })

  it('--measure density: the distribution of all eigenvalues', async () => {
    const steps = ['--density-probes', '40', '--density-steps', '60']
    const { density, size } = await sharpness(model, '--measure', 'density', '--samples', '30', ...steps)
    expect([density.size, size]).toEqual([280, 280])
    const truth = await dense(model, 30)
    const sizes = truth.toSorted((a, b) => Math.abs(b) - Math.abs(a))
    for (const [i, { value }] of density.outliers.entries())
      expect(Math.abs(value / sizes[i]! - 1)).toBeLessThan(1e-3)
    // The integral of the difference of two smoothed densities of mass 1.
    const [low, high] = [truth.at(-1)!, truth[0]!]
    const sigma = (high - low) / 100
    const grid = Array.from(
      { length: 1201 },
      (_, i) => low - 6 * sigma + (i * (high - low + 12 * sigma)) / 1200,
    )
    const exact = { nodes: truth, weights: truth.map(() => 1 / 280), outliers: [], size: 280, products: 0 }
    const [ours, wanted] = [densityAt(density, grid, sigma), densityAt(exact, grid, sigma)]
    const apart =
      ours.reduce((sum, value, i) => sum + Math.abs(value - wanted[i]!), 0) * (grid[1]! - grid[0]!)
    expect(apart).toBeLessThan(0.05)
  })

  it("--measure worst-case,average: Python's ascent and directions", async () => {
    const indices = await drawn(model, 30)
    const told = await sharpness(
      ...[model, '--compare', shifted, '--measure', 'worst-case,average', '--samples', '30'],
      ...['--adaptive', '--rho', '0.3', '--ascent-steps', '4', '--directions', '5'],
    )
    const given = { folder: fashionMnist, indices, rho: 0.3, eta: 0.01, adaptive: true, steps: 4 }
    const more = { stepSize: 2.5 / 4, probes: 5, probeSeed: 0 }
    const [first, second] = await Promise.all(
      [model, shifted].map((path) => reference('neighbourhood', { model: path, ...given, ...more })),
    )
    for (const [ours, truth] of [
      [told, first],
      [told.compare, second],
    ]) {
      expect(ours.worstCase.value).toBeCloseTo(Math.max(...truth.perStep), 7)
      expect(ours.worstCase).toMatchObject({ rho: 0.3, adaptive: true, steps: 4, samples: 30 })
      expect(ours.worstCase.gradientNorm).toBeCloseTo(truth.gradientNorm, 7)
      expect(ours.average.value).toBeCloseTo(mean(truth.perProbe.sphere), 7)
      expect(ours.average).toMatchObject({ rho: 0.3, adaptive: true, probes: 5, samples: 30 })
    }
    const rises = ({ best, losses }: { best: number[]; losses: number[] }) =>
      best.map((loss, i) => loss - losses[i]!)
    const apart = rises(second).map((rise, i) => rise - rises(first)[i]!)
    const squares = apart.map((value) => (value - mean(apart)) ** 2)
    expect(told.difference.worstCase.value).toBeCloseTo(mean(apart), 7)
    expect(told.difference.worstCase.standardError).toBeCloseTo(Math.sqrt(mean(squares) / 29), 7)
    const directions = second.perProbe.sphere.map(
      (rise: number, i: number) => rise - first.perProbe.sphere[i],
    )
    expect(told.difference.average.value).toBeCloseTo(mean(directions), 7)
    const spread = mean(directions.map((value: number) => (value - mean(directions)) ** 2))
    expect(told.difference.average.probeStandardError).toBeCloseTo(Math.sqrt(spread / 4), 7)
  })

  it('--compare: two models on the same images and random vectors', async () => {
    const options = ['--samples', '32', '--probes', '3', '--seed', '5']
    const two = await sharpness(model, '--compare', shifted, ...options)
    const { trace } = await sharpness(shifted, ...options)
    expect(two.compare).toEqual({ model: shifted, trace, withoutGradient: [] })
    expect(two.difference.trace.value).toBeCloseTo(trace.value - two.trace.value, 10)
    const same = await sharpness(model, '--compare', model, ...options)
    expect(same.difference.trace).toMatchObject({ value: 0, probeStandardError: 0 })
  })

  it('prints tables, and writes the report', async () => {
    const report = join(folder, 'report')
    const measures = ['--measure', 'trace,eigenvalues', '--samples', '20', '--top', '3', '--probes', '4']
    const { code, stdout } = await sos(
      ...['sharpness', model, '--compare', shifted, ...train, ...measures, '--report', report],
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/paired difference +[+−]?\d/)
    expect(stdout).toMatch(/^ +3 +\d/m)
    expect(stdout).toContain(`Written: ${report}/index.html and ${report}/sharpness.json`)
    expect(readFileSync(join(report, 'index.html'), 'utf8')).toContain('Sharpness of thumbnail.relu.pt')
    const record = JSON.parse(readFileSync(join(report, 'sharpness.json'), 'utf8'))
    expect(record).toEqual(await sharpness(model, '--compare', shifted, ...measures))
  })
})

describe('sos sharpness refuses', () => {
  it.each([
    ['--top without eigenvalues', ['--top', '5'], '--top is for the measure eigenvalues'],
    [
      '--probes without a trace',
      ['--measure', 'density', '--probes', '5'],
      '--probes is for the measure trace',
    ],
    [
      '--density-steps alone',
      ['--density-steps', '5'],
      'add density to --measure, or leave --density-steps out',
    ],
    ['--rho without a ball', ['--rho', '0.1'], 'add worst-case or average to --measure'],
    [
      'a matrix that is not measured',
      ['--measure', 'average', '--operator', 'ggn'],
      'no measure of a matrix is asked for',
    ],
    ['a radius of 0', ['--measure', 'average', '--rho', '0'], 'a number above 0'],
    ['an unknown measure', ['--measure', 'trace,flatness'], 'trace, eigenvalues'],
    ['a tolerance of 0', ['--measure', 'eigenvalues', '--tolerance', '0'], 'above 0 and at most 1'],
  ])('%s, with exit code 2', async (_, args, message) => {
    const { code, stdout, stderr } = await sos('sharpness', model, ...train, ...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  it('models of different sizes, with exit code 1', async () => {
    const { code, stdout, stderr } = await sos('sharpness', model, '--compare', demoModel, ...train)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/the same parameters, but \S+ has 280 and \S+ has \d+/)
  })
})
