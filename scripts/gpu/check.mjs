/**
 * Checks the package on a device:
 *
 *   node scripts/gpu/check.mjs --device cuda|cpu [--quick] [--only TEXT] [--skip fast] --out DIR
 *
 * It first compares results with those of the CPU. Then it compares speed with that of Python's PyTorch on the same device
 * (`scripts/bench/cases/gpu.mjs`). It writes results.json and results.md into DIR after each step, so that they are kept if the
 * time runs out. The exit code is 1 if something is not as expected, 2 for wrong use. `--quick` is a rehearsal with little data.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

import { randomFile } from '../bench/cases/train.mjs'
import { readState } from '../setup/state.mjs'
import { checks as methodChecks } from './checks/method.mjs'
import { checks as moduleChecks } from './checks/modules.mjs'
import { checks as operatorChecks } from './checks/operators.mjs'
import { checks as processChecks } from './checks/process.mjs'
import { checks as trainingChecks } from './checks/training.mjs'
import { Findings } from './findings.mjs'
import { markdown } from './report.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const allChecks = { ...operatorChecks, ...moduleChecks, ...methodChecks, ...trainingChecks, ...processChecks }

/** The rows that are measured together. If a group does not end in time, the results of the groups before it are kept. */
const rowGroups = ['train', 'evaluate', 'HVP|chain|V*|to the device']

process.env.CUBLAS_WORKSPACE_CONFIG ??= ':4096:8' // deterministic matrix products need it
process.exitCode = await main(process.argv.slice(2))

async function main(args) {
  let options
  try {
    options = parseOptions(args)
  } catch (error) {
    process.stderr.write(`check: ${error.message}\n`)
    return 2
  }
  const { device, quick, only, skip, out } = options
  const start = performance.now()
  mkdirSync(out, { recursive: true })
  const folder = mkdtempSync(join(tmpdir(), 'sos-gpu-'))
  const packageUrl = pathToFileURL(join(root, 'dist/index.js')).href
  const doors = ['torch', 'sharpness'].map((door) => import(`../../dist/${door}/index.js`))
  const sos = Object.assign({}, await import(packageUrl), ...(await Promise.all(doors)))
  const results = { machine: machineOf(sos, device), quick, seconds: 0, checks: [], rows: [], notRun: [] }
  if (device === 'cpu') results.notRun.push('CUDA: this is a rehearsal on the CPU')
  const write = () => {
    results.seconds = (performance.now() - start) / 1000
    writeWhole(join(out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`)
    writeWhole(join(out, 'results.md'), markdown(results))
  }
  try {
    const findings = new Findings(sos)
    results.checks = findings.checks
    const context = await createContext({ sos, device, quick, folder, findings, packageUrl })
    const names = Object.keys(allChecks).filter((name) => name.includes(only))
    sos.torch.backends.cudnn.allowTF32 = false // TF32 has only 10 bits of mantissa
    for (const name of names) {
      const check = await findings.run(name, () =>
        allChecks[name]({ ...context, leftOut: (why) => leaveOut(findings, results, name, why) }),
      )
      tell(check)
      write()
    }
    if (names.length === 0 && skip === 'fast') throw new Error(`there is no check with '${only}' in its name`)
    if (skip === 'fast') results.notRun.push('the comparison of speed (--skip fast)')
    else {
      for (const rows of rowGroups.filter((rows) => only === '' || rows === only)) {
        results.rows.push(...(await speed({ device, quick, rows })))
        write()
      }
    }
  } finally {
    write()
    rmSync(folder, { recursive: true, force: true })
  }
  const failed = results.checks.filter(({ failures }) => failures.length > 0)
  const slow = results.rows.filter(({ error }) => error !== undefined)
  process.stderr.write(
    `check: ${failed.length} of ${results.checks.length} checks and ${slow.length} of ${results.rows.length} rows are not as expected; ${join(out, 'results.md')}\n`,
  )
  return failed.length + slow.length > 0 ? 1 : 0
}

function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      device: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      skip: { type: 'string' },
      out: { type: 'string' },
    },
  })
  if (!/^(cpu|cuda(:\d+)?)$/.test(values.device ?? '')) {
    throw new Error(`expected --device cuda or cpu but received ${values.device ?? 'none'}`)
  }
  if (values.out === undefined) throw new Error('expected --out with the folder for the results')
  if (values.skip !== undefined && values.skip !== 'fast')
    throw new Error('expected nothing but fast for --skip')
  return values
}

function machineOf({ torch, runtimeInfo }, device) {
  const { torchVersion } = runtimeInfo()
  const gpu = device === 'cpu' ? {} : { gpu: torch.cuda.getDeviceName(device) }
  return {
    device,
    ...gpu,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
    libtorch: torchVersion,
  }
}

/** Makes what the checks work on: the demo's network and its data, a LeNet, and bytes in CIFAR-10's format. */
async function createContext({ sos, folder, ...rest }) {
  const assets = join(root, 'assets')
  const lenet = join(folder, 'lenet.pt')
  const { python = 'python3' } = readState(join(root, 'build'))
  const script = join(root, 'scripts/export/export_cifar.py')
  execFileSync(python, [script, 'lenet', '--classes', '10', '--out', lenet], { stdio: 'ignore' })
  const recipe = sos.preprocessOf(await sos.ScriptModule.load(`${assets}/fashion-resnet.pt`))
  const [data, test] = await Promise.all(
    ['train', 'test'].map((split) => sos.idxFolder(`${assets}/fashion-mnist`, split, recipe)),
  )
  return { ...rest, sos, folder, assets, lenet, cifar: randomFile(folder, 480), data, test }
}

function leaveOut(findings, results, name, why) {
  const check = findings.checks.at(-1)
  check.leftOut = why
  results.notRun.push(`${name}: ${why}`)
}

function tell({ name, seconds, comparisons, failures, leftOut }) {
  const end = leftOut
    ? `left out: ${leftOut}`
    : failures.length === 0
      ? `${comparisons} comparisons`
      : 'NOT AS EXPECTED'
  process.stderr.write(`check: ${name}: ${end} (${seconds.toFixed(1)} s)\n`)
  for (const { what, given, expected, note } of failures) {
    process.stderr.write(`  ${what}: expected ${expected} but received ${given}${note ? ` (${note})` : ''}\n`)
  }
}

/** The rows of `npm run bench -- gpu`, each group in its own process. */
function speed({ device, quick, rows }) {
  const sizes = quick
    ? ['--rounds', '1', '--sample-ms', '1', '--scale', '0.001']
    : ['--rounds', '3', '--sample-ms', '300']
  const args = [
    join(root, 'scripts/bench/main.mjs'),
    'gpu',
    '--json',
    '--device',
    device,
    '--only',
    rows,
    ...sizes,
  ]
  return new Promise((resolve) => {
    let text = ''
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.on('data', (chunk) => {
      text += chunk
    })
    child.on('close', (code) => {
      try {
        resolve(JSON.parse(text).rows)
      } catch {
        resolve([
          {
            case: rows,
            unit: '',
            error: `the benchmark ended with exit code ${code}; stderr says why`,
          },
        ])
      }
    })
  })
}

function writeWhole(path, text) {
  writeFileSync(`${path}.tmp`, text)
  renameSync(`${path}.tmp`, path)
}
