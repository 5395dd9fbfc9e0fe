/**
 * Changes a folder of `src` in many small ways, one at a time, and runs the tests that cover each change. A change that no test
 * notices survives.
 *
 *   npm run test:mutate -- src/shift [--sample 100] [--seed 1] [--concurrency 1]
 *   npm run test:mutate -- src/shift --all
 *
 * The tests are those of the folder of the same name below `test`. Tests that start other processes are left out, because those run
 * `dist`, and so are tests that need extra data or measure time. Changes of code that runs once, when a file is imported, and
 * changes of the texts of errors are not made. The script prints the surviving changes and the score; build/mutation/FOLDER.html
 * shows each change in its place. The same seed takes the same sample of the same sources.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { Stryker } from '@stryker-mutator/core'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    concurrency: { type: 'string', default: '1' },
    all: { type: 'boolean', default: false },
  },
})
const [sample, seed, concurrency] = [values.sample, values.seed, values.concurrency].map(Number)
const folder = relative(root, resolve(root, positionals[0] ?? '')).replace(/\/$/, '')
const tests = folder.replace(/^src\b/, 'test')
const whole = (value, least) => Number.isSafeInteger(value) && value >= least
if (positionals.length !== 1 || !folder.startsWith('src/') || !existsSync(`${root}/${folder}`)) {
  fail(`expected one folder below src, such as src/shift, but received ${positionals.join(' ') || 'none'}`)
}
if (!existsSync(`${root}/${tests}`)) fail(`expected tests of ${folder} in ${tests}, but there are none`)
if (!whole(sample, 1) || !whole(concurrency, 1) || !whole(seed, 0)) {
  fail('expected whole numbers for --sample and --concurrency (at least 1) and --seed')
}

process.chdir(root)
// This must be set before the addon is loaded. The tests run here in threads, in which OpenMP does not read its environment again.
Object.assign(process.env, { OMP_WAIT_POLICY: 'passive' })
delete process.env.SOS_DATA_ROOT
const answers = mkdtempSync(join(tmpdir(), 'sos-mutate-'))
process.env.SOS_REFERENCE_ANSWERS = answers
const report = `build/mutation/${folder.slice('src/'.length).replaceAll('/', '-')}`
const stryker = new Stryker({
  mutate: [`${folder}/**/*.ts`, '!**/*.generated.ts', '!**/{data-parallel,fetch/cifar10}.ts'],
  testRunner: 'vitest',
  vitest: { configFile: 'scripts/mutate/vitest.config.ts', dir: tests, related: false },
  plugins: ['@stryker-mutator/vitest-runner', fileURLToPath(new URL('mutate/plugins.mjs', import.meta.url))],
  coverageAnalysis: 'perTest',
  ignoreStatic: true,
  ignorers: ['words-of-errors'],
  reporters: ['sample', 'progress-append-only', 'html', 'json'],
  htmlReporter: { fileName: `${report}.html` },
  jsonReporter: { fileName: `${report}.json` },
  sample: { size: values.all ? null : sample, seed, folder },
  // The copy that is changed contains what the tests read, and the addon. The addon finds libtorch at the path with which it was
  // built.
  ignorePatterns: [
    '/.*',
    '/build/**',
    '!/build/setup.json',
    '!/build/native/Release/*.node',
    '/native',
    '/out',
    '/docs',
  ],
  tempDirName: 'build/mutation/copies',
  disableTypeChecks: true,
  concurrency,
  timeoutMS: 30_000,
  timeoutFactor: 3,
  dryRunTimeoutMinutes: 60,
  allowConsoleColors: process.stdout.isTTY === true,
  warnings: { unknownOptions: false },
})
try {
  await stryker.runMutationTest()
} finally {
  rmSync(answers, { recursive: true, force: true })
}

function fail(message) {
  console.error(`mutate: ${message}`)
  process.exit(2)
}
