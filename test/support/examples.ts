import { readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'

import ts from 'typescript'

import { root } from './paths.js'

/** The `@example` of a doc comment, as a module. */
export interface Example {
  name: string
  code: string
  /** Whether it is only to be well typed, as one in a fence of "ts no-run" is. */
  typesOnly: boolean
}

/** What an example may speak of without a word about it; those that it names are declared before it. */
const given: Record<string, string> = {
  model: "(await ScriptModule.load('assets/fashion-resnet.pt')).eval()",
  preprocess: 'preprocessOf(model)',
  train:
    "subset(await idxFolder('assets/fashion-mnist', 'train', preprocess), Array.from({ length: 256 }, (_, i) => i))",
  test: "subset(await idxFolder('assets/fashion-mnist', 'test', preprocess), Array.from({ length: 128 }, (_, i) => i))",
  images: 'torch.rand([8, 1, 28, 28])',
  labels: "torch.randint(0, 10, [8], { dtype: 'int64' })",
  x: 'torch.rand([3, 4])',
  parameters: 'model.parameters()',
  trainer:
    'new Trainer(model, { data: train, epochs: 1, batchSize: 64, optimizer: sgd({ learningRate: 0.01 }) })',
}

const doors = ['', 'torch', 'data', 'model', 'evaluate', 'shift', 'sharpness', 'train', 'report']

/** Each value that the package exports, and the specifier of the first door that has it. */
async function exportedNames(): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  // One after the other: the first door that has a name wins.
  for (const door of doors) {
    const file = `${root}/src/${door && `${door}/`}index.ts`
    const exports: object = await import(file)
    const specifier = door === '' ? 'optimum-shifting' : `optimum-shifting/${door}`
    for (const name of Object.keys(exports)) if (!names.has(name)) names.set(name, specifier)
  }
  return names
}

/** The names that a piece of code uses or declares, without those behind a dot. */
function namesIn(code: string): { used: Set<string>; declared: Set<string> } {
  const [used, declared] = [new Set<string>(), new Set<string>()]
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      const { parent } = node
      const declares =
        (ts.isVariableDeclaration(parent) ||
          ts.isBindingElement(parent) ||
          ts.isParameter(parent) ||
          ts.isFunctionDeclaration(parent) ||
          ts.isImportSpecifier(parent)) &&
        parent.name === node
      const behind =
        (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) && parent.name === node
      if (declares) declared.add(node.text)
      else if (!behind) used.add(node.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('example.ts', code, ts.ScriptTarget.Latest, true))
  return { used, declared }
}

/** The example with its imports, and with what it speaks of before it. */
function asModule(code: string, exported: ReadonlyMap<string, string>): string {
  const { used, declared } = namesIn(code)
  const before: string[] = []
  const supply = (names: Iterable<string>) => {
    for (const name of names) {
      if (given[name] === undefined || declared.has(name)) continue
      declared.add(name)
      const { used: needed } = namesIn(given[name])
      supply(needed)
      for (const one of needed) used.add(one)
      before.push(`const ${name} = ${given[name]}`)
    }
  }
  supply([...used])
  const imports = [...used]
    .filter((name) => exported.has(name) && !declared.has(name))
    .map((name) => `import { ${name} } from '${exported.get(name)}'`)
  return [...imports, ...before, code, 'export {}'].join('\n')
}

function commentsOf(node: ts.Node): ts.JSDocTag[] {
  const own = (node as { jsDoc?: ts.JSDoc[] }).jsDoc ?? []
  const below: ts.JSDocTag[] = []
  ts.forEachChild(node, (child) => void below.push(...commentsOf(child)))
  return [...own.flatMap(({ tags }) => [...(tags ?? [])]), ...below]
}

/** Every example in the doc comments of src. */
export async function docExamples(): Promise<Example[]> {
  const exported = await exportedNames()
  const files = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => file.endsWith('.ts') && !file.includes('.generated.'))
    .sort()
    .flatMap((file) => {
      const source = ts.createSourceFile(
        basename(file),
        readFileSync(`${root}/src/${file}`, 'utf8'),
        ts.ScriptTarget.Latest,
        true,
      )
      const tags = commentsOf(source).filter(({ tagName }) => tagName.text === 'example')
      return tags.map((tag, i) => {
        const text = ts.getTextOfJSDocComment(tag.comment) ?? ''
        const fence = /^```ts( no-run)?\n([\s\S]*?)^```/m.exec(text)
        return {
          name: `${file.replace(/\.ts$/, '').replace(/\W+/g, '-')}-${i + 1}`,
          code: asModule(fence?.[2] ?? text, exported),
          typesOnly: fence?.[1] !== undefined,
        }
      })
    })
}
