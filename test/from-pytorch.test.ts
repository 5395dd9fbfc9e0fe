import { rmSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { Tensor, torch } from '../src/index.js'
import { Complex } from '../src/torch/index.js'

import { tableModule, tablePython, tableRows, writeModules } from './support/docs.js'
import { root } from './support/paths.js'
import { reference } from './support/python.js'

const folder = `${root}/test/.table`
const rows = tableRows()
const here = (section: string) => section !== 'CUDA' || torch.cuda.isAvailable()

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** As test/reference/from_pytorch.py describes a value; undefined for what it does not compare. */
function describeValue(value: unknown): unknown {
  if (value instanceof Tensor || value instanceof Complex) return String(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value)
  if (value === null || ['number', 'string'].includes(typeof value)) return value
  if (ArrayBuffer.isView(value)) return Array.from(value as Float32Array, Number)
  if (!Array.isArray(value)) return undefined
  const elements = value.map(describeValue)
  return elements.includes(undefined) ? undefined : elements
}

describe('the table for those who know PyTorch', () => {
  it('has rows for what people look up', () => {
    expect(rows.length).toBeGreaterThan(80)
    for (const { python, typescript } of rows) expect(typescript, python).not.toHaveLength(0)
  })

  it('gives in each row what Python gives', async () => {
    const [file] = writeModules(folder, [{ name: 'table', code: tableModule() }])
    const module: { x: Tensor; rows: (() => Promise<unknown>)[] } = await import(file!)
    const python = await reference('from_pytorch', {
      setup: tablePython(),
      rows: rows.map(({ section, python }) => (here(section) ? (python ?? null) : null)),
    })
    let compared = 0
    for (const [i, { section, typescript }] of rows.entries()) {
      if (!here(section)) continue
      const value = await module.rows[i]!()
      const expected = python[i]
      if (expected === null) continue
      expect(String(module.x), `x after ${typescript}`).toBe(expected.x)
      if (!('value' in expected)) continue
      const described = describeValue(value)
      if (typeof described === 'number') expect(described, typescript[0]).toBeCloseTo(expected.value, 5)
      else if (Array.isArray(described)) expect(close(described, expected.value), typescript[0]).toBe(true)
      else expect(described, typescript[0]).toEqual(expected.value)
      compared++
    }
    expect(compared).toBeGreaterThan(120)
  })
})

/** Equal, numbers to six digits: JavaScript reads a float32 as it is, Python prints the same. */
function close(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one, i) => close(one, b[i]))
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b))
  return a === b
}
