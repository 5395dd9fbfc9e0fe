import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it, vi } from 'vitest'
import { runtimeInfo } from '../../src/index.js'
import { root, temporaryFolder } from '../support/paths.js'

/** Plain JavaScript without declarations. */
const { bounded, compare, median, memoryCourse, quantile, relativeDifference } = await import(
  new URL('../../scripts/bench/statistics.mjs', import.meta.url).href
)
const { compareCases } = await import(new URL('../../scripts/bench/rounds.mjs', import.meta.url).href)
const { printTable } = await import(new URL('../../scripts/bench/print.mjs', import.meta.url).href)
const preprocess = await import(new URL('../../scripts/bench/cases/preprocess.mjs', import.meta.url).href)

/** What `npm run bench -- ARGS` runs once set-up is done. */
function bench(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [`${root}/scripts/bench/main.mjs`, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

describe('the statistics of the benchmarks', () => {
  it('take quantiles of samples in any order, between two if none is there', () => {
    expect(median([5, 1, 3])).toBe(3)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(quantile([50, 10, 30, 20, 40], 0.25)).toBe(20)
    expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75)
    expect(() => median([])).toThrow(RangeError)
  })

  it('compare the medians, and show the spread of the rounds', () => {
    const compared = compare({ reference: [2, 4, 30], ours: [1, 1, 10] })
    expect(compared).toEqual({ reference: 4, ours: 1, ratio: 4, ratioQuartiles: [2.5, 3.5] })
    expect(compare({ reference: [3], ours: [4] }).ratio).toBe(0.75)
    expect(() => compare({ reference: [1, 2], ours: [1] })).toThrow(RangeError)
  })

  it('tell by how much results differ', () => {
    expect(relativeDifference([3, 4], [3, 4])).toBe(0)
    expect(relativeDifference([3, 4], [3, 4.5])).toBeCloseTo(0.1, 12)
    expect(relativeDifference([3, 4], [3])).toBe(Number.POSITIVE_INFINITY)
    expect(relativeDifference([1], [Number.NaN])).toBeNaN()
  })

  it('hold a figure against its bound', () => {
    const against = (ours: number) => bounded({ bound: 64, ours, floor: 1 })
    expect(against(32)).toEqual({ reference: 64, ours: 32, ratio: 2, pass: true })
    expect(against(-5)).toEqual({ reference: 64, ours: -5, ratio: 64, pass: true })
    expect(against(128)).toEqual({ reference: 64, ours: 128, ratio: 0.5, pass: false })
  })

  it('see that memory grows, and that warm-up is no growth', () => {
    const megabyte = 2 ** 20
    const grows = Array.from({ length: 100 }, (_, i) => (100 + i) * megabyte)
    // The first five are warm-up; the median of the next 23 is at 16.
    expect(memoryCourse(grows)).toEqual({ early: 116, final: 199, growth: 83, peak: 199 })
    const warms = Array.from({ length: 100 }, (_, i) => (i < 5 ? 10 : 300) * megabyte)
    expect(memoryCourse(warms)).toEqual({ early: 300, final: 300, growth: 0, peak: 300 })
  })
})

describe('a case that this build cannot run', () => {
  it('is left out of the benchmark of preprocessing, and not measured with the other decoder', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'a'))
    const image = sharp({ create: { width: 30, height: 20, channels: 3, background: 'red' } })
    await image.jpeg().toFile(join(folder, 'a/1.jpg'))
    const cases = await preprocess.cases({ folder, images: 1 })
    const runs = { run: expect.any(Function), result: expect.any(Function) }
    const reason = { leftOut: 'the addon was built without libturbojpeg' }
    const has = runtimeInfo().jpegDecoder === 'libturbojpeg'
    expect(cases).toEqual({ libturbojpeg: has ? runs : reason, sharp: runs })
  })

  it('has a row with the reason and without figures', async () => {
    const reason = 'the addon was built without it'
    const log: string[] = []
    const rows = await compareCases(preprocess, {
      select: (cases: string[]) => cases,
      log: (line: string) => log.push(line),
      startBoth: async () => ({ cases: ['libturbojpeg'], leftOut: { libturbojpeg: reason } }),
    })
    expect(rows).toEqual([{ case: 'libturbojpeg', unit: 'ms/image', leftOut: reason }])
    expect(log).toEqual([`libturbojpeg is left out: ${reason}`])
    const print = vi.spyOn(console, 'log').mockImplementation(() => {})
    const machine = { cpu: 'a CPU', cores: 2, threads: 1, node: '20', torch: '2.13', jpegDecoder: 'sharp' }
    printTable({ name: 'preprocess', machine, rows })
    const printed = print.mock.calls.flat()
    print.mockRestore()
    expect(printed[0]).toContain('JPEG by sharp')
    expect(printed.at(-1)).toMatch(/^libturbojpeg +ms\/image +left out +the addon was built without it$/)
  })
})

describe('the command', () => {
  it('lists the benchmarks', async () => {
    const { code, stdout } = await bench()
    expect(code).toBe(0)
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(expect.arrayContaining(['eventloop', 'hvp', 'memory', 'ops']))
  })

  it('prints one document with the figures of both sides', async () => {
    const { code, stdout, stderr } = await bench(
      'ops',
      '--json',
      '--rounds',
      '1',
      '--sample-ms',
      '1',
      '--only',
      'add 2×2',
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('add 2×2') })
    const { name, machine, rows } = JSON.parse(stdout)
    expect(name).toBe('ops')
    expect(machine).toMatchObject({
      cpu: expect.any(String),
      cores: availableParallelism(),
      os: expect.any(String),
      threads: 1,
      node: process.versions.node,
      torch: expect.stringMatching(/^2\./),
      jpegDecoder: runtimeInfo().jpegDecoder,
      reference: { torch: expect.stringMatching(/^2\./), python: expect.stringMatching(/^3\./) },
    })
    expect(rows.map((row: { case: string }) => row.case)).toEqual([
      'add 2×2',
      'add 2×2, dispose()',
      'add 2×2 in noGrad',
    ])
    for (const row of rows) {
      expect(row).toMatchObject({ unit: 'µs', rounds: 1, relativeDifference: 0 })
      expect(row.reference).toBeGreaterThan(0)
      expect(row.ours).toBeGreaterThan(0)
      expect(row.ratio).toBeCloseTo(row.reference / row.ours, 10)
      expect(row.ratioQuartiles).toEqual([row.ratio, row.ratio])
    }
  })

  it('holds memory against its bound without Python', async () => {
    const { code, stdout } = await bench('memory', '--json', '--scale', '0.001', '--only', 'operators')
    const { rows } = JSON.parse(stdout)
    expect(rows).toMatchObject([{ unit: 'MB grown', reference: 64, also: { iterations: 1000 } }])
    const [{ ours, pass, also }] = rows
    expect(ours).toBeCloseTo(also.final - also.early, 9)
    expect(pass).toBe(ours < 64)
    expect(code).toBe(pass ? 0 : 1)
  })

  it.each([
    [['nothing'], /one of eval, eventloop, .*ops.* but received 'nothing'/],
    [['ops', 'hvp'], /one NAME/],
    [['ops', '--rounds', '0'], /--rounds/],
    [['ops', '--fast'], /--fast/],
  ])('refuses %j with exit code 2', async (args, message) => {
    expect(await bench(...args)).toEqual({ code: 2, stdout: '', stderr: expect.stringMatching(message) })
  })

  it('fails if a benchmark does', async () => {
    const { code, stdout, stderr } = await bench('memory', '--only', 'no such case')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/part of a case's name for --only/)
  })
})
