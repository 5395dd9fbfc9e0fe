import { rmSync } from 'node:fs'
import { format } from 'node:util'

import { afterAll, describe, expect, it, vi } from 'vitest'

import { typeErrorsIn, writeModules } from './support/docs.js'
import { docExamples } from './support/examples.js'
import { root } from './support/paths.js'

const folder = `${root}/test/.examples`
const examples = await docExamples()
const files = writeModules(folder, examples)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the examples in the doc comments', () => {
  const running = examples.flatMap((example, i) =>
    example.typesOnly ? [] : [{ ...example, file: files[i]! }],
  )

  it.each(running)('run, and print what follows their arrows: $name', async ({ code, file }) => {
    const printed: string[] = []
    const log = vi.spyOn(console, 'log').mockImplementation((...values) => {
      printed.push(...format(...values).split('\n'))
    })
    try {
      await import(file)
    } finally {
      log.mockRestore()
    }
    const promised = [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line]) => line!)
    if (promised.length > 0) expect(printed).toEqual(promised)
  })

  it('are well typed', async () => {
    expect(await typeErrorsIn(folder)).toBe('')
  })
})
