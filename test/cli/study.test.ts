import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { sos } from '../support/cli.js'
import { demoModel, fashionMnist, temporaryFolder } from '../support/paths.js'

const data = [
  '--train',
  `idx:${fashionMnist}:train`,
  '--val',
  `idx:${fashionMnist}:test`,
  '--limit-val',
  '200',
]
const sizes = ['--batch-sizes', '20,40', '--draws', '2']

describe('sos study', () => {
  it('prints the tables of the paper and what they let one say', async () => {
    const { code, stdout } = await sos('study', demoModel, ...data, ...sizes, '--controls', '--seed', '3')
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^ *b +variant +top-1 \(%\) +change +top-5 \(%\) +change +loss +lost \/ won +p +significant$/m,
    )
    expect(stdout).toMatch(/^20 +logits:0.001 +\d\d\.\d\d ± \d\.\d\d /m)
    expect(stdout).toMatch(/^variant +before +b = 20 +b = 40$/m)
    expect(stdout).toMatch(/^40 +uniform shrink /m)
    expect(stdout).toMatch(/^- .*Holm’s correction/m)
  })

  it('prints one document, the one that the report keeps, and no progress there', async () => {
    const report = join(temporaryFolder(), 'report')
    const { code, stdout } = await sos('study', demoModel, ...data, ...sizes, '--report', report, '--json')
    expect(code).toBe(0)
    const study = JSON.parse(stdout)
    expect(readdirSync(report).sort()).toEqual(['index.html', 'study.json'])
    expect(JSON.parse(readFileSync(join(report, 'study.json'), 'utf8'))).toEqual(study)
    expect(study).toMatchObject({ version: 1, model: demoModel, layer: 'fc', seeds: [0, 1], controls: [] })
    expect(study.rows).toHaveLength(4)
  })

  it('takes lists of policies, samplings and ways with the bias', async () => {
    const lists = ['--policies', 'logits:0.01,energy:0.99', '--sampling', 'uniform', '--bias', 'fixed,absorb']
    const { stdout } = await sos(
      'study',
      demoModel,
      ...data,
      ...sizes,
      ...lists,
      '--solver',
      'gram',
      '--json',
    )
    const { rows, solver } = JSON.parse(stdout)
    expect(solver).toBe('gram')
    const variants = rows.map((row: Record<string, string>) => `${row.policy} ${row.sampling} ${row.bias}`)
    expect([...new Set(variants)]).toEqual([
      'logits:0.01 uniform fixed',
      'energy:0.99 uniform fixed',
      'logits:0.01 uniform absorb',
      'energy:0.99 uniform absorb',
    ])
  })

  it.each([
    [['--batch-sizes', '20,x'], 'whole number', 2],
    [['--batch-sizes', '20', '--sampling', 'even'], 'Expected one of stratified, uniform', 2],
    [['--batch-sizes', '20', '--policies', 'logit'], 'expected a rank policy', 2],
    [['--batch-sizes', '20', '--layer', 'layer4.conv1'], 'linear layer', 1],
    [['--batch-sizes', '20000'], 'at most 10000', 1],
    [['--batch-sizes', '20', '--report', '/dev/null/x'], 'cannot be created', 1],
  ])('refuses %j', async (args, message, expected) => {
    const { code, stderr, stdout } = await sos('study', demoModel, ...data, ...args)
    expect([code, stdout]).toEqual([expected, ''])
    expect(stderr).toContain(message)
  })
})
