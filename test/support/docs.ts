import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'

import { root } from './paths.js'

const read = (page: string) => readFileSync(`${root}/${page}`, 'utf8')

/** The blocks of a language in a page. */
function blocksOf(page: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm')
  return [...read(page).matchAll(fence)].map(([, code]) => code!)
}

/** Every block of TypeScript in the README and in docs/, with a name for it. */
export function documentedBlocks(): { name: string; code: string }[] {
  const pages = ['README.md', ...readdirSync(`${root}/docs`).map((name) => `docs/${name}`)].filter((name) =>
    name.endsWith('.md'),
  )
  return pages.flatMap((page) =>
    blocksOf(page, 'ts').map((code, i) => ({ name: `${page.replace(/\W+/g, '-')}-${i + 1}`, code })),
  )
}

/** A row of docs/from-pytorch.md. */
export interface TableRow {
  section: string
  /** Undefined if the cell is not one piece of code. */
  python: string | undefined
  typescript: string[]
}

const table = 'docs/from-pytorch.md'

export function tableRows(): TableRow[] {
  let section = ''
  const rows: TableRow[] = []
  for (const line of read(table).split('\n')) {
    if (line.startsWith('## ')) section = line.slice(3)
    const cells = /^\| (.*) \| (.*) \|$/.exec(line)
    if (cells === null || cells[1] === 'Python' || cells[1] === '---') continue
    const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
    const python = /^`[^`]+`$/.test(cells[1]!) ? codes(cells[1]!)[0] : undefined
    rows.push({ section, python, typescript: codes(cells[2]!) })
  }
  return rows
}

export const tablePython = (): string => blocksOf(table, 'python')[0]!

/** The right column as a module: `x`, and for each row a function that runs its code and gives the value of the first. */
export function tableModule(): string {
  const functions = tableRows().map(({ typescript }) => {
    const [first, ...others] = typescript.map((code) =>
      /^(for|const|\{)\b/.test(code) || code.startsWith('{') ? `(async () => { ${code} })()` : code,
    )
    return `  async () => {\n    const value = ${first}\n${others.map((code) => `    void (${code})\n`).join('')}    return value\n  },`
  })
  return `${blocksOf(table, 'ts')[0]}\nexport { x }\nexport const rows: (() => Promise<unknown>)[] = [\n${functions.join('\n')}\n]\n`
}

/** Writes modules into a folder of their own, which git and Biome ignore, and gives their paths. */
export function writeModules(folder: string, modules: { name: string; code: string }[]): string[] {
  mkdirSync(folder, { recursive: true })
  mkdirSync(`${root}/out`, { recursive: true })
  return modules.map(({ name, code }) => {
    writeFileSync(`${folder}/${name}.ts`, code)
    return `${folder}/${name}.ts`
  })
}

/** The README's blocks, which are the programs of examples/ in this order. */
export function readmePrograms(): { example: string; code: string; program: string }[] {
  const examples = ['checkpoint', 'post-hoc', 'training'].map((name) => `examples/${name}.ts`)
  const blocks = blocksOf('README.md', 'ts')
  if (blocks.length !== examples.length)
    throw new Error(`${blocks.length} programs in the README but ${examples.length} examples`)
  return examples.map((example, i) => ({ example, code: blocks[i]!, program: read(example) }))
}

/** What the compiler says of the modules in a folder: '' if they are well typed. */
export async function typeErrorsIn(folder: string): Promise<string> {
  const settings = {
    extends: '../../tsconfig.json',
    compilerOptions: { rootDir: '../..', noEmit: true, noUnusedLocals: false, noUnusedParameters: false },
    include: ['*.ts'],
  }
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(settings))
  const tsc = promisify(execFile)(process.execPath, [`${root}/node_modules/typescript/bin/tsc`, '-p', folder])
  return tsc.then(() => '').catch(({ stdout }) => stdout)
}
