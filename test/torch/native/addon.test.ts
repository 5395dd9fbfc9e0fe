import { createRequire } from 'node:module'

import ts from 'typescript'
import { expect, it } from 'vitest'

import { root } from '../../support/paths.js'

it('interface Addon declares just what the addon exports', () => {
  const file = `${root}/src/torch/native/addon.ts`
  const source = ts.createSourceFile(file, ts.sys.readFile(file)!, ts.ScriptTarget.Latest, true)
  const declared = source.statements
    .filter(ts.isInterfaceDeclaration)
    .filter(({ name }) => name.text === 'Addon')
    .flatMap(({ members }) => members.map((member) => member.name!.getText()))
  const addon = createRequire(import.meta.url)(`${root}/build/native/Release/sos_native.node`) as object
  expect(declared.length).toBeGreaterThan(50)
  expect([...new Set(declared)].sort()).toEqual(Object.keys(addon).sort())
})
