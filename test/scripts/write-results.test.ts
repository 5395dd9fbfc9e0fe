import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { root } from '../support/paths.js'

describe('docs/results.md', () => {
  it('has the tables and figures of its raw records', async () => {
    const { results } = await import(`${root}/scripts/write_results.mjs`)
    const files = (await results()) as Map<string, string>
    expect(files.size).toBeGreaterThan(8)
    for (const [path, text] of files) expect(readFileSync(path, 'utf8'), path).toBe(text)
  })

  it('reports for each run what the last line of its record says', () => {
    const page = readFileSync(`${root}/docs/results.md`, 'utf8')
    for (const scheme of ['sgd', 'sgd+sos', 'sam', 'sam+sos']) {
      for (const seed of [0, 1, 2]) {
        const file = `${root}/docs/results/cifar10-wide_small/${scheme}-seed${seed}.jsonl`
        const lines = readFileSync(file, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
        const top1 = lines.filter(({ event }) => event === 'evaluation').at(-1).top1 as number
        expect(page).toContain(`| ${scheme} | ${seed} | 15 | ${top1.toFixed(2)} |`)
      }
    }
  })
})
