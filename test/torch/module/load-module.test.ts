import { readFileSync } from 'node:fs'

import { afterEach, expect, it } from 'vitest'

import { ScriptModule } from '../../../src/index.js'
import { fixture } from '../../support/paths.js'

const warnings: string[] = []
const listen = (warning: Error & { code?: string }) => {
  if (warning.code === 'SOS_AUTOCAST') warnings.push(warning.message)
}
process.on('warning', listen)
afterEach(() => void warnings.splice(0))

it('warns of a model whose code turns autocast on, which its calls here do not', async () => {
  const path = fixture('modes.casting.pt')
  for (const source of [path, readFileSync(path)]) await ScriptModule.load(source)
  await new Promise(setImmediate)
  expect(warnings).toEqual([
    expect.stringContaining(`${path}: the code of this module turns autocast on`),
    expect.stringContaining('<buffer>: the code of this module turns autocast on'),
  ])
})

it('does not warn of others', async () => {
  await ScriptModule.load(fixture('modes.noisy.pt'))
  await new Promise(setImmediate)
  expect(warnings).toEqual([])
})
