import { execFile } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { format, promisify } from 'node:util'

import { afterAll, describe, expect, it, vi } from 'vitest'

import { writeModules } from './support/docs.js'
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
    const settings = {
      extends: '../../tsconfig.json',
      compilerOptions: { rootDir: '../..', noEmit: true, noUnusedLocals: false, noUnusedParameters: false },
      include: ['*.ts'],
    }
    writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(settings))
    const tsc = promisify(execFile)(process.execPath, [
      `${root}/node_modules/typescript/bin/tsc`,
      '-p',
      folder,
    ])
    expect(await tsc.then(() => '').catch(({ stdout }) => stdout)).toBe('')
  })
})
