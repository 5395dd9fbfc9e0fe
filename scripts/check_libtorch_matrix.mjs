/**
 * Builds the sources against each supported libtorch, and runs the C++ and the TypeScript tests with it. Each libtorch has a copy
 * of the checkout below build/matrix, with a .venv of its own. What exists there is used again.
 *
 *   node scripts/check_libtorch_matrix.mjs               all of the versions below
 *   node scripts/check_libtorch_matrix.mjs --only 2.14.1 one of them
 *   node scripts/check_libtorch_matrix.mjs --python PATH the torch, torchvision and numpy of that Python instead
 *   … --json                                             one document instead of the table
 *
 * The exit code is 1 if anything failed, 2 for wrong use. The output of the steps is in build/matrix/NAME.log.
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { packageFolder } from './setup/packages.mjs'

const VERSIONS = [
  { torch: '2.13.0', torchvision: '0.28.0', wheel: 'cpu' },
  { torch: '2.14.1', torchvision: '0.29.1', wheel: 'cuda' },
]
const PROBE = `
import torch
print(torch.__version__.split("+")[0], "cuda" if torch.version.cuda else "cpu")
`
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const matrix = join(root, 'build/matrix')

const { entries, json } = readArguments()
const rows = []
for (const entry of entries) rows.push(await check(entry))
if (json) console.log(JSON.stringify({ rows }, null, 2))
else console.table(Object.fromEntries(rows.map(({ name, log, ...row }) => [name, row])))
for (const { name, passed, log } of rows) if (!passed) console.error(`${name} failed: see ${log}`)
process.exitCode = rows.every(({ passed }) => passed) ? 0 : 1

function readArguments() {
  try {
    const { values } = parseArgs({
      options: { only: { type: 'string' }, python: { type: 'string' }, json: { type: 'boolean' } },
    })
    if (values.python !== undefined) {
      const python = resolve(values.python)
      const [version, wheel] = execFileSync(python, ['-c', PROBE], { encoding: 'utf8' }).trim().split(' ')
      return { entries: [{ torch: version, wheel, python }], json: values.json }
    }
    const entries = VERSIONS.filter(({ torch }) => values.only === undefined || values.only === torch)
    if (entries.length > 0) return { entries, json: values.json }
    const known = VERSIONS.map(({ torch }) => torch).join(', ')
    throw new Error(`expected one of ${known} after --only but received ${values.only}`)
  } catch (error) {
    console.error(error.message)
    process.exit(2)
  }
}

/** @returns {Promise<Row>} */
async function check({ torch, torchvision, wheel, python }) {
  const name = `${torch}-${python ? 'given' : wheel}`
  const checkout = join(matrix, name)
  const log = join(matrix, `${name}.log`)
  mkdirSync(checkout, { recursive: true })
  writeFileSync(log, '')
  copySources(checkout)
  const env = { ...process.env, LIBTORCH: '', LIBTORCH_USE_PYTORCH: '' }
  if (python) {
    env.LIBTORCH_USE_PYTORCH = '1'
    env.PATH = [shim(checkout, python), env.PATH].join(delimiter)
  } else {
    const path = join(checkout, 'requirements.txt')
    const wanted = readFileSync(path, 'utf8')
      .replace(/^torch==.*$/m, `torch==${torch}`)
      .replace(/^torchvision==.*$/m, `torchvision==${torchvision}`)
    writeFileSync(path, wanted)
  }
  const run = (title, args) => runNode(`${name}: ${title}`, args, { cwd: checkout, env, log })

  /** @type {Row} */
  const row = { name, torch, wheel, builds: false, core: 'not run', vitest: 'not run', passed: false, log }
  if ((await run('set up and build', ['scripts/setup.mjs'])).code !== 0) return row
  row.builds = true
  const { torchVersion, variant } = JSON.parse(readFileSync(join(checkout, 'build/setup.json'), 'utf8'))
  row.wheel = variant === wheel ? wheel : `${variant}, but expected ${wheel}`
  if (!python) row.torch = torchVersion

  const core = await run('C++ tests', ['scripts/test_native.mjs'])
  const leftOut = core.output.includes('native tests were left out')
  row.core = leftOut ? 'left out: no doctest' : core.code === 0 ? 'passed' : 'failed'

  const report = join(checkout, 'build/vitest.json')
  rmSync(report, { force: true })
  const script = join(packageFolder(root, 'vitest'), 'vitest.mjs')
  const vitest = await run('TypeScript tests', [
    script,
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ])
  row.vitest = existsSync(report) ? summary(JSON.parse(readFileSync(report, 'utf8'))) : 'failed to run'
  row.passed = variant === wheel && row.core === 'passed' && vitest.code === 0
  return row
}

function summary({ numPassedTests, numFailedTests, numPendingTests, numFailedTestSuites }) {
  const failed = numFailedTests || numFailedTestSuites ? `${numFailedTests} failed, ` : ''
  return `${failed}${numPassedTests} passed, ${numPendingTests} skipped`
}

/**
 * Copies what git tracks or would track, without the lock file, so that npm's packages are those of this checkout. Only files that
 * differ are written, so that an earlier build is continued.
 */
function copySources(checkout) {
  const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { cwd: root })
  const files = list
    .toString()
    .split('\0')
    .filter((file) => file && file !== 'package-lock.json' && existsSync(join(root, file)))
  const manifest = join(checkout, 'build/copied.json')
  const before = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : []
  for (const file of before) if (!files.includes(file)) rmSync(join(checkout, file), { force: true })
  for (const file of files) {
    const [from, to] = [join(root, file), join(checkout, file)]
    if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) continue
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(from, to)
  }
  mkdirSync(dirname(manifest), { recursive: true })
  writeFileSync(manifest, JSON.stringify(files))
}

/** Makes a folder for PATH whose python3 runs the given one. A link would lose the environment of a venv's Python. */
function shim(checkout, python) {
  const folder = join(checkout, 'build/bin')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'python3'), `#!/bin/sh\nexec '${python.replaceAll("'", "'\\''")}' "$@"\n`)
  chmodSync(join(folder, 'python3'), 0o755)
  return folder
}

async function runNode(title, args, { cwd, env, log }) {
  const start = performance.now()
  process.stderr.write(`${title} … `)
  const length = readFileSync(log).length
  const descriptor = openSync(log, 'a')
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', descriptor, descriptor] })
  const code = await new Promise((done) => child.on('close', (code, signal) => done(code ?? signal)))
  closeSync(descriptor)
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  process.stderr.write(`${code === 0 ? 'passed' : `ended with ${code}`} after ${seconds} s\n`)
  return { code, output: readFileSync(log).subarray(length).toString() }
}

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {string} torch
 * @property {string} wheel 'cpu' or 'cuda', as its libraries show
 * @property {boolean} builds
 * @property {string} core the C++ tests
 * @property {string} vitest the TypeScript tests
 * @property {boolean} passed all of it
 * @property {string} log
 */
