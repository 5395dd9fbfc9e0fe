import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import * as sos from '../../src/index.js'
import { root, temporaryFolder } from '../support/paths.js'

/** Plain JavaScript without declarations. */
const load = (path: string) => import(new URL(`../../scripts/gpu/${path}`, import.meta.url).href)
const { Findings } = await load('findings.mjs')
const { markdown } = await load('report.mjs')

interface Check {
  name: string
  comparisons: number
  failures: unknown[]
}

interface Row {
  case: string
  ours: number
  reference: number
  error?: string
}

function check(...args: string[]): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [`${root}/scripts/gpu/check.mjs`, ...args], (error, _, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stderr }),
    )
  })
}

describe('the check of a device', () => {
  it('finds all as expected in a rehearsal on the CPU, and reports it', { timeout: 300_000 }, async () => {
    const out = join(temporaryFolder(), 'results')
    const { code, stderr } = await check('--device', 'cpu', '--quick', '--out', out)
    const results = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'))
    const { checks, rows, notRun }: { checks: Check[]; rows: Row[]; notRun: string[] } = results
    expect(
      checks.filter(({ failures }) => failures.length > 0),
      stderr,
    ).toEqual([])
    expect(
      rows.filter(({ error }) => error !== undefined),
      stderr,
    ).toEqual([])
    expect(code, stderr).toBe(0)
    expect(checks.length).toBeGreaterThanOrEqual(16)
    expect(checks[0]!.comparisons).toBeGreaterThan(200)
    expect(rows.map((row) => row.case)).toEqual([
      'train ResNet-18, float32',
      'train ResNet-18, bfloat16',
      'train LeNet',
      'evaluate ResNet-50, float32',
      'evaluate ResNet-50, bfloat16',
      'evaluate ResNet-50, JPEG files',
      'HVP of ResNet-20',
      'chain of 10 operators, 64×64',
      'V* of 300 rows, 2,048 inputs',
      'to the device, 38 MB',
    ])
    for (const { ours, reference } of rows) expect(Math.min(ours, reference)).toBeGreaterThan(0)
    expect(notRun).toContain('CUDA: this is a rehearsal on the CPU')
    const page = readFileSync(join(out, 'results.md'), 'utf8')
    for (const { name } of checks) expect(page).toContain(`| ${name} |`)
    for (const row of rows) expect(page).toContain(`| ${row.case} |`)
  })

  it.each([
    [['--out', 'x'], /--device/],
    [['--device', 'gpu', '--out', 'x'], /--device cuda or cpu but received gpu/],
    [['--device', 'cpu'], /--out/],
  ])('refuses %j with exit code 2', async (args, message) => {
    expect(await check(...args)).toEqual({ code: 2, stderr: expect.stringMatching(message) })
  })
})

describe('the findings of a check', () => {
  const failuresOf = async (work: (findings: InstanceType<typeof Findings>) => unknown) => {
    const findings = new Findings(sos)
    await findings.run('a check', () => work(findings))
    return findings.checks[0].failures
  }
  const { torch } = sos

  it.each([
    ['equal tensors', [1, 2], [1, 2]],
    ['rounding', [1, 2 + 1e-7], [1, 2]],
    [
      'NaN and infinity in the same places',
      [Number.NaN, Number.POSITIVE_INFINITY],
      [Number.NaN, Number.POSITIVE_INFINITY],
    ],
  ])('take %s', async (_, given, expected) => {
    const tensors = [given, expected].map((list) => torch.tensor(list, { dtype: 'float64' }))
    expect(await failuresOf((findings) => findings.close('x', ...tensors, 1e-6))).toEqual([])
  })

  it.each([
    ['a number that is off', [1, 2.1], [1, 2], '2.1', '2'],
    ['NaN', [1, Number.NaN], [1, 2], 'NaN', '2'],
    ['infinity', [Number.POSITIVE_INFINITY, 2], [1, 2], 'Infinity', '1'],
    ['another length', [1, 2, 3], [1, 2], '3 numbers', '2 numbers'],
  ])('tell %s with both values', async (_, values, right, given, expected) => {
    const tensors = [values, right].map((list) => torch.tensor(list, { dtype: 'float64' }))
    const failures = await failuresOf((findings) => findings.close('x', ...tensors, 1e-6))
    expect(failures).toMatchObject([{ what: 'x', given, expected }])
  })

  it('compare complex numbers, records and errors', async () => {
    const z = torch.complex(torch.ones([2]), torch.zeros([2]))
    expect(await failuresOf((findings) => findings.close('z', z, z.mul(1), 0))).toEqual([])
    expect(await failuresOf((findings) => findings.close('z', z, z.conj().mul(2), 1e-3))).toHaveLength(1)
    expect(await failuresOf((findings) => findings.same('r', { a: 1 }, { a: 2 }))).toMatchObject([
      { given: '{"a":1}', expected: '{"a":2}' },
    ])
    const refused = (code: string) => (findings: InstanceType<typeof Findings>) =>
      findings.refused('e', ['ERR_OUT_OF_MEMORY'], async () => {
        throw new sos.SosError(code, 'no memory')
      })
    expect(await failuresOf(refused('ERR_OUT_OF_MEMORY'))).toEqual([])
    expect(await failuresOf(refused('ERR_TORCH'))).toMatchObject([{ expected: 'ERR_OUT_OF_MEMORY' }])
  })

  it('count an error, and a check without a comparison, as failures that the page shows', async () => {
    const findings = new Findings(sos)
    await findings.run('throws', () => {
      throw new sos.SosError('ERR_TORCH', 'no kernel')
    })
    await findings.run('compares nothing', () => {})
    expect(findings.failed).toHaveLength(2)
    const page = markdown({
      machine: { device: 'cpu' },
      checks: findings.checks,
      rows: [],
      notRun: [],
      seconds: 1,
    })
    expect(page).toContain('expected `no error` but received `ERR_TORCH: no kernel`')
    expect(page).toContain('| compares nothing | 0 |')
  })
})
