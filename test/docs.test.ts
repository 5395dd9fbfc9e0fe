import { rmSync } from 'node:fs'
import { format } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { afterAll, describe, expect, it, vi } from 'vitest'

import { documentedBlocks, readmePrograms, tableModule, typeErrorsIn, writeModules } from './support/docs.js'
import { root } from './support/paths.js'

const folder = `${root}/test/.docs`
const blocks = documentedBlocks()
const files = writeModules(folder, blocks)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

describe('the code in the README and in docs', () => {
  it.each(blocks.map(({ name, code }, i) => ({ name, code, file: files[i]! })))(
    'runs, and prints what follows its arrows: $name',
    async ({ code, file }) => {
      const printed: string[] = []
      const log = vi.spyOn(console, 'log').mockImplementation((...values) => {
        printed.push(...format(...values).split('\n'))
      })
      // What an earlier block left is freed now, and not while this one counts tensors.
      collect()
      await new Promise((resolve) => setTimeout(resolve, 50))
      try {
        await import(file)
      } finally {
        log.mockRestore()
      }
      const promised = [...code.matchAll(/^ *\/\/ → (.*)$/gm)].map(([, line]) => line!)
      if (promised.length > 0) expect(printed).toEqual(promised)
    },
  )

  it.each(readmePrograms())(
    "is, for the README's three programs, the programs of examples/: $example",
    ({ code, program }) => {
      expect(program).toBe(code)
    },
  )

  it('is well typed, with the right column of the table for those who know PyTorch', async () => {
    writeModules(folder, [{ name: 'table', code: tableModule() }])
    expect(await typeErrorsIn(folder)).toBe('')
  })
})
