/**
 * Compares this package with Python's PyTorch:
 *
 *   npm run bench -- NAME [--json] [--rounds N] [--only TEXT] [--sample-ms N] [--threads N] [--scale F] [--device cuda]
 *
 * Without a name it lists the benchmarks. README.md in this folder explains how to read the figures and how to add a benchmark.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readState } from '../setup/state.mjs'
import { Child } from './child.mjs'
import { printTable } from './print.mjs'
import { compareCases } from './rounds.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(dirname(here))

process.exitCode = await main(process.argv.slice(2))

/** @returns the exit code: 1 if a benchmark fails or a bound is broken, 2 for wrong use */
async function main(args) {
  let options
  try {
    options = parseOptions(args)
  } catch (error) {
    return wrongUse(error.message)
  }
  if (options.name === undefined) {
    for (const name of names()) console.log(`${name.padEnd(12)} ${(await load(name)).description}`)
    return 0
  }
  if (!names().includes(options.name)) {
    return wrongUse(`expected one of ${names().join(', ')} but received '${options.name}'`)
  }
  const benchmark = await load(options.name)
  if (options.device !== 'cpu' && !benchmark.onDevice) {
    return wrongUse(`${options.name} runs on the CPU; only the benchmark gpu takes --device`)
  }
  const context = createContext(benchmark, options)
  try {
    const rows = await (benchmark.measure ?? ((context) => compareCases(benchmark, context)))(context)
    const document = { name: options.name, machine: machine(context), rows }
    if (options.json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
    else printTable(document)
    const failed = rows.filter((row) => row.error !== undefined)
    const broken = rows.filter((row) => row.pass === false)
    for (const row of broken) context.log(`${row.case}: ${row.ours.toFixed(1)} ${row.unit} breaks the bound`)
    return broken.length + failed.length > 0 ? 1 : 0
  } catch (error) {
    context.log(`failed: ${error.message}`)
    return 1
  } finally {
    await Promise.all(context.children.map((child) => child.stop()))
  }
}

function parseOptions(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '9' },
      only: { type: 'string', default: '' },
      'sample-ms': { type: 'string', default: '50' },
      threads: { type: 'string' },
      scale: { type: 'string', default: '1' },
      device: { type: 'string', default: 'cpu' },
    },
  })
  if (positionals.length > 1) throw new Error(`expected one NAME but received ${positionals.join(', ')}`)
  return {
    name: positionals[0],
    json: values.json,
    only: values.only,
    device: values.device,
    rounds: positive('--rounds', values.rounds, Number.isInteger),
    sampleSeconds: positive('--sample-ms', values['sample-ms'], Number.isFinite) / 1000,
    threads: values.threads && positive('--threads', values.threads, Number.isInteger),
    scale: positive('--scale', values.scale, Number.isFinite),
  }
}

function positive(flag, text, isKind) {
  const value = Number(text)
  if (isKind(value) && value > 0) return value
  throw new Error(`expected a number above 0 for ${flag} but received '${text}'`)
}

/** What a benchmark receives: its options, and functions that start processes, which end with the benchmark. */
function createContext(benchmark, options) {
  const { python = join(root, '.venv/bin/python') } = readState(join(root, 'build'))
  const threads = options.threads ?? benchmark.threads ?? availableParallelism()
  const env = { OMP_NUM_THREADS: String(threads), PYTHONWARNINGS: 'ignore' }
  const context = {
    ...options,
    root,
    python,
    threads,
    children: [],
    versions: {},
    log: (message) => process.stderr.write(`bench ${options.name}: ${message}\n`),

    /** A folder that is kept between runs, for files that take long to make. */
    folder() {
      const folder = join(root, 'build/bench')
      mkdirSync(folder, { recursive: true })
      return folder
    },

    select(cases) {
      const parts = options.only.split('|')
      const chosen = cases.filter((name) => parts.some((part) => name.includes(part)))
      if (chosen.length > 0) return chosen
      throw new Error(`expected a part of a case's name for --only: ${cases.join('; ')}`)
    },

    startOurs: (prepared = {}) => start('ours', process.execPath, join(here, 'worker.mjs'), prepared),

    /** Starts both sides. Their cases must be the same. */
    async startBoth() {
      if (!python || !existsSync(python)) {
        throw new Error(
          `expected a Python with torch at ${python}, to compare with; run \`npm run setup\` without LIBTORCH, which makes the .venv`,
        )
      }
      const prepared = (await benchmark.prepare?.(context)) ?? {}
      const reference = await start('reference', python, join(here, 'worker.py'), prepared)
      const ours = await start('ours', process.execPath, join(here, 'worker.mjs'), prepared)
      if (reference.cases.join('\n') !== ours.cases.join('\n')) {
        throw new Error(
          `expected the same cases but ours are [${ours.cases}] and Python's [${reference.cases}]`,
        )
      }
      return { reference: reference.child, ours: ours.child, cases: ours.cases, leftOut: ours.leftOut }
    },
  }

  async function start(side, command, worker, prepared) {
    const args = [worker, options.name, JSON.stringify(prepared), String(threads)]
    const { child, ready } = await Child.start(side, command, args, env)
    context.children.push(child)
    const { cases, leftOut, ...versions } = ready
    context.versions[side] = versions
    return { child, cases, leftOut }
  }

  return context
}

/** The processor and the system, for all rows. Both sides run on the cores that this process may use. */
function machine({ threads, versions }) {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()} ${process.arch}`,
    threads,
    node: process.versions.node,
    torch: versions.ours?.torch ?? readState(join(root, 'build')).torchVersion,
    ...(versions.ours && { jpegDecoder: versions.ours.jpegDecoder }),
    ...(versions.reference && { reference: versions.reference }),
  }
}

function names() {
  const files = readdirSync(join(here, 'cases')).filter((file) => file.endsWith('.mjs'))
  return files.map((file) => file.slice(0, -'.mjs'.length)).sort()
}

function load(name) {
  return import(`./cases/${name}.mjs`)
}

function wrongUse(message) {
  process.stderr.write(
    `bench: ${message}\nusage: npm run bench -- [NAME] [--json] [--rounds N] [--only TEXT]\n`,
  )
  return 2
}
