// Checks the rules of docs/architecture.md: there is no circle of imports, types included. Imports between the folders of src use only
// front doors and go only downwards, and so do includes between the folders of native/core. src/index.ts exports at most 60 values, and
// no file is longer than 320 lines. It is a part of `npm run check`.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import ts from 'typescript'

const root = fileURLToPath(new URL('..', import.meta.url))
const src = join(root, 'src')

/** The folders of src, the lowest first: a folder may import those before it. */
const floors = [
  'base',
  'install',
  'torch',
  'data',
  'model',
  'evaluate',
  'sharpness',
  'shift',
  'train',
  'report',
  '',
  'cli',
]
/** The folders of src/torch, in the same order; '' is src/torch itself. */
const rooms = [
  'native',
  'context',
  'tensor',
  'device',
  'operators',
  'autograd',
  'serialization',
  'module',
  'distributed',
  '',
]
/** The folders of native/core, in the same order. */
const coreFolders = [
  'base',
  'memory',
  'operators',
  'serialization',
  'script',
  'context',
  'device',
  'distributed',
  'autograd',
  'image',
]
const mostValues = 60
const mostLines = 320

const isDoor = (file) => /^\w+\/(index|internal)\.ts$/.test(file)
const folderOf = (file) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '')

/** The specifiers in a source's `import`, `export`, `import()`, `import type` and `declare module`. */
function importsOf(file) {
  const found = new Set()
  const add = (node) => {
    if (node === undefined || !ts.isStringLiteralLike(node) || !node.text.startsWith('.')) return
    found.add(relative(src, resolve(src, dirname(file), node.text)).replace(/\.js$/, '.ts'))
  }
  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier)
    else if (ts.isImportTypeNode(node)) add(node.argument.literal)
    else if (ts.isModuleDeclaration(node)) add(node.name)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0])
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, readFileSync(join(src, file), 'utf8'), ts.ScriptTarget.Latest, true))
  return [...found]
}

/** The circles of files that import each other, each as a list: Tarjan's strongly connected components. */
function circles(graph) {
  const [index, low, stack, found] = [new Map(), new Map(), [], []]
  const visit = (file) => {
    index.set(file, index.size)
    low.set(file, index.get(file))
    stack.push(file)
    for (const next of graph.get(file) ?? []) {
      if (!index.has(next)) visit(next)
      if (stack.includes(next)) low.set(file, Math.min(low.get(file), low.get(next)))
    }
    if (low.get(file) !== index.get(file)) return
    const circle = stack.splice(stack.indexOf(file))
    if (circle.length > 1) found.push(circle.sort())
  }
  for (const file of graph.keys()) if (!index.has(file)) visit(file)
  return found
}

const files = readdirSync(src, { recursive: true }).filter((file) => file.endsWith('.ts'))
const graph = new Map(files.map((file) => [file, importsOf(file)]))
const faults = circles(graph).map((circle) => `a circle of imports: ${circle.join(', ')}`)

for (const [file, targets] of graph) {
  for (const target of targets) {
    const [from, to] = [folderOf(file), folderOf(target)]
    if (from === to) {
      const room = (path) => (path.split('/').length > 2 ? path.split('/')[1] : '')
      if (from === 'torch' && rooms.indexOf(room(target)) > rooms.indexOf(room(file)))
        faults.push(
          `${file} imports ${target}: the folders of src/torch import downwards, ${rooms.join(' ← ')}`,
        )
      continue
    }
    if (to !== '' && !isDoor(target))
      faults.push(`${file} imports ${target} past the front door src/${to}/index.ts (or its internal.ts)`)
    if (floors.indexOf(to) > floors.indexOf(from))
      faults.push(
        `${file} imports ${target}: folders import downwards, ${floors.filter(Boolean).join(' ← ')}`,
      )
  }
}

for (const name of readdirSync(join(root, 'native/core'), { recursive: true })) {
  if (!/\.(h|cpp)$/.test(name)) continue
  const text = readFileSync(join(root, 'native/core', name), 'utf8')
  const from = coreFolders.indexOf(dirname(name))
  if (from < 0) faults.push(`native/core/${name} is in none of the folders ${coreFolders.join(', ')}`)
  for (const [, target] of text.matchAll(/#include "([^"]+)"/g)) {
    const to = coreFolders.indexOf(dirname(relative('core', target)))
    if (to < 0 || to > from)
      faults.push(
        `native/core/${name} includes ${target}: the folders of native/core include downwards, ${coreFolders.join(' ← ')}`,
      )
  }
}

const program = ts.createProgram([join(src, 'index.ts')], { module: ts.ModuleKind.NodeNext, noLib: true })
const checker = program.getTypeChecker()
const exported = checker.getExportsOfModule(
  checker.getSymbolAtLocation(program.getSourceFile(join(src, 'index.ts'))),
)
const values = exported.filter((symbol) => {
  const actual = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  const typeOnly = symbol.declarations?.some((one) => ts.isTypeOnlyImportOrExportDeclaration(one))
  return !typeOnly && (actual.flags & ts.SymbolFlags.Value) !== 0
})
if (values.length > mostValues)
  faults.push(`src/index.ts exports ${values.length} values, more than ${mostValues}`)

// The lists of files in docs/architecture.md name files below src.
for (const [, file] of readFileSync(join(root, 'docs/architecture.md'), 'utf8').matchAll(
  /^\d+\. `(.+?\.ts)`/gm,
))
  if (!graph.has(file)) faults.push(`docs/architecture.md names src/${file}, which does not exist`)

for (const folder of ['src', 'test', 'native', 'scripts', 'examples']) {
  for (const name of readdirSync(join(root, folder), { recursive: true })) {
    const file = `${folder}/${name}`
    if (
      !/\.(ts|mjs|mts|cpp|h|py)$/.test(name) ||
      /\.generated\.|\.fixtures|\.docs|\.examples|\.table/.test(name)
    )
      continue
    const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1
    if (lines > mostLines)
      faults.push(
        `${file} has ${lines} lines, more than ${mostLines}: give its second thought a file of its own`,
      )
  }
}

for (const fault of faults) console.error(`house: ${fault}`)
if (faults.length > 0) process.exit(1)
console.log(`house: ${files.length} files without a circle, ${values.length} values at the root`)
