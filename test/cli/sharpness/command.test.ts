import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'

import { sos } from '../../support/cli.js'
import { demoModel, fashionMnist, fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { drawn, mean, model, sharpness, train, writeShifted } from './thumbnail.js'

const folder = temporaryFolder()
const shifted = join(folder, 'shifted.pt')

beforeAll(() => writeShifted(shifted))

describe('sos sharpness', () => {
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

  it('prints tables, and writes the report', async () => {
    const report = join(folder, 'report')
    const measures = ['--measure', 'trace,eigenvalues', '--samples', '20', '--top', '3', '--probes', '4']
    const { code, stdout } = await sos(
      ...['sharpness', model, '--compare', shifted, ...train, ...measures, '--report', report],
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/difference +[+−]?\d/)
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
    [
      '--by-layer for the empirical Fisher',
      ['--by-layer', '--operator', 'empirical-fisher'],
      'leave --by-layer out',
    ],
    [
      'one random vector for the empirical Fisher',
      ['--probes', '1', '--operator', 'empirical-fisher'],
      'leave --probes 1 out',
    ],
    ['half a probe', ['--probes', '0.5'], 'a whole number from 1 to 1000000, or exact'],
    ['a radius of 0', ['--measure', 'average', '--rho', '0'], 'a number above 0'],
    ['an unknown measure', ['--measure', 'trace,flatness'], 'trace, eigenvalues'],
    ['a tolerance of 0', ['--measure', 'eigenvalues', '--tolerance', '0'], 'above 0 and at most 1'],
  ])('%s, with exit code 2', async (_, args, message) => {
    const { code, stdout, stderr } = await sos('sharpness', model, ...train, ...args)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
  })

  it('--by-layer for a network whose trace is not measured image by image, with exit code 1', async () => {
    const { code, stdout, stderr } = await sos(
      'sharpness',
      fixture('thumbnail.tanh.pt'),
      ...train,
      '--by-layer',
    )
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/thumbnail.tanh.pt is not piecewise linear, .* take --operator ggn/)
  })

  it('models of different sizes, with exit code 1', async () => {
    const { code, stdout, stderr } = await sos('sharpness', model, '--compare', demoModel, ...train)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/the same parameters, but \S+ has 280 and \S+ has \d+/)
  })
})
