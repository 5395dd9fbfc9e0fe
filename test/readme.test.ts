import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'

import { afterAll, describe, expect, it } from 'vitest'

import { root } from './support/paths.js'

const blocks = [...readFileSync(`${root}/README.md`, 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
  ([, code]) => code!,
)
const folder = `${root}/test/.readme`

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the README', () => {
  it('has code for three doors', () => {
    expect(blocks).toHaveLength(3)
  })

  it.each([0, 1, 2])('runs: block %i', async (i) => {
    mkdirSync(folder, { recursive: true })
    mkdirSync(`${root}/out`, { recursive: true })
    writeFileSync(`${folder}/block${i}.ts`, blocks[i]!)
    await expect(import(`${folder}/block${i}.ts`)).resolves.toBeDefined()
  })
})
