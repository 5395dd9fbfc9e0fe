import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, it } from 'vitest'
import { densityAt } from '../../../src/sharpness/index.js'

import { sos } from '../../support/cli.js'
import { demoModel, fashionMnist, root, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { drawn, matrices, model, sharpness, train, writeShifted } from './thumbnail.js'

const folder = temporaryFolder()
const shifted = join(folder, 'shifted.pt')

beforeAll(() => writeShifted(shifted))

/** The eigenvalues of the whole Hessian that Python computes, the largest first. */
async function dense(path: string, samples: number): Promise<number[]> {
  const indices = await drawn(path, samples)
  const { eigenvalues } = await reference('dense_hessian', { model: path, folder: fashionMnist, indices })
  return eigenvalues.toReversed()
}

describe('sos sharpness, the eigenvalues', () => {
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
    const truth = await matrices(model, 30)
    for (const operator of ['hessian', 'ggn', 'fisher', 'empirical-fisher']) {
      const probes = operator === 'empirical-fisher' ? '400' : 'exact'
      const [all, block] = [
        await sharpness(model, ...options, '--operator', operator, '--probes', probes),
        await sharpness(model, ...options, '--operator', operator, '--parameters', 'first.*'),
      ]
      expect([all.size, block.size, block.parameters, all.operator]).toEqual([280, 170, 'first.*', operator])
      for (const [i, { value }] of all.eigenvalues.entries()) {
        expect(Math.abs(value / truth[operator].all[i] - 1)).toBeLessThan(1e-6)
        expect(Math.abs(block.eigenvalues[i].value / truth[operator].block[i] - 1)).toBeLessThan(1e-6)
      }
      const { trace } = truth[operator]
      if (probes === 'exact') expect(all.trace.value).toBeCloseTo(trace, 9)
      else expect(all.trace).toMatchObject({ standardError: null, method: 'Hutchinson', probes: 400 })
      expect(Math.abs(all.trace.value - trace)).toBeLessThan(4 * all.trace.probeStandardError + 1e-9)
      expect(all.trace.probeStandardError).toBeLessThan(0.1 * trace)
    }
  })

  it('--resume: goes on to the same values, for both models', async () => {
    const file = join(folder, 'state')
    const options = ['--compare', shifted, '--measure', 'eigenvalues', '--samples', '30', '--top', '8']
    const whole = await sharpness(model, ...options)
    const begun = await sharpness(model, ...options, '--resume', file, '--max-products', '9')
    expect([begun.products, begun.compare.products]).toEqual([9, 9])
    expect(readdirSync(folder).sort()).toEqual(['shifted.pt', 'state', 'state.compare'])
    expect(await sharpness(model, ...options, '--resume', file)).toEqual(whole)
    const other = await sos('sharpness', shifted, ...train, ...options.slice(2), '--resume', file)
    expect(other).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(file) })
  })

  it.skipIf(process.platform === 'win32')('--resume: Ctrl-C names the command that continues', async () => {
    const file = join(folder, 'interrupted')
    const args = ['sharpness', demoModel, ...train, '--measure', 'eigenvalues', '--tolerance', '1e-9']
    const child = spawn(process.execPath, [`${root}/dist/cli/main.js`, ...args, '--resume', file])
    let stderr = ''
    child.stderr.on('data', (part) => {
      stderr += part
      // The first line of progress comes after ten seconds. A second signal would end the process at once.
      if (!child.killed && stderr.includes('eigenvalues ')) child.kill('SIGINT')
    })
    const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
    expect([code, stdout]).toEqual([130, ''])
    expect(stderr).toMatch(/^sos: interrupted after \d+ products; continue with: sos sharpness .*--resume/m)
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
})
