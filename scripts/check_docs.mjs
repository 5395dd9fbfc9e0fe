// Checks that the doc comment of each public function has what a caller needs: a line for each argument, what is returned, and an
// example (which test/examples.test.ts runs). It is a part of `npm run check`.
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const doors = Object.values(exports).flatMap(({ types }) =>
  types === undefined ? [] : join(root, types.replace(/^\.\/dist\//, 'src/').replace(/\.d\.ts$/, '.ts')),
)
const settings = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, ts.sys)
const program = ts.createProgram(doors, settings.options)
const checker = program.getTypeChecker()

/** The functions that the front doors export, each once. */
function publicFunctions() {
  const found = new Set()
  for (const door of doors) {
    const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(door)))
    for (const symbol of exported) {
      const actual = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
      if (actual.declarations?.some(ts.isFunctionDeclaration)) found.add(actual)
    }
  }
  return [...found]
}

/** The type that a function returns; for a promise, the type of its value. */
function given(declaration) {
  const type = checker.getSignatureFromDeclaration(declaration).getReturnType()
  return checker.getAwaitedType(type) ?? type
}

const faults = []
const functions = publicFunctions()
for (const symbol of functions) {
  const declarations = symbol.declarations.filter(ts.isFunctionDeclaration)
  const file = declarations[0].getSourceFile()
  const { line } = file.getLineAndCharacterOfPosition(declarations[0].getStart())
  const at = `${relative(root, file.fileName)}:${line + 1} ${symbol.name}`
  const tags = symbol.getJsDocTags(checker)
  const described = new Set(tags.filter(({ name }) => name === 'param').map(({ text }) => text?.[0]?.text))
  const signatures =
    declarations.length > 1 ? declarations.filter(({ body }) => body === undefined) : declarations
  for (const name of new Set(
    signatures.flatMap(({ parameters }) => parameters.map((one) => one.name.getText())),
  ))
    if (!described.has(name)) faults.push(`${at}: no @param for '${name}'`)
  const silent = signatures.every((one) => given(one).flags & (ts.TypeFlags.Void | ts.TypeFlags.Never))
  if (!silent && !tags.some(({ name }) => name === 'returns')) faults.push(`${at}: no @returns`)
  if (!tags.some(({ name }) => name === 'example')) faults.push(`${at}: no @example`)
}
for (const fault of faults) console.error(`docs: ${fault}`)
if (faults.length > 0) process.exit(1)
console.log(`docs: ${functions.length} public functions`)
