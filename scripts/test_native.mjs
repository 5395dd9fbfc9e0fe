/** Builds and runs the C++ tests (native/test) in the build tree that setup configured. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cmakeVariable, compilerJobs } from './setup/addon.mjs'
import { withLock } from './setup/lock.mjs'
import { explainUnwritable } from './setup/paths.mjs'

const LEFT_OUT =
  'native tests were left out: doctest/doctest.h was not found; `npm run setup` fetches it or says how to install it'
const root = dirname(dirname(fileURLToPath(import.meta.url)))

process.exitCode = await withLock(join(root, 'build'), say, testNative).catch((error) => {
  const explained = explainUnwritable(error)
  if (explained === error) throw error
  say(explained.message)
  return 1
})

function say(message) {
  console.error(`test_native: ${message}`)
}

/** @returns the exit code */
function testNative() {
  if (cmakeVariable(join(root, 'build/native'), 'CMAKE_HOME_DIRECTORY') === undefined) {
    console.error(
      'expected a configured build/native, but there is no CMakeCache.txt: run `npm run setup` first',
    )
    return 1
  }
  if (!isDoctestFound()) {
    console.log(LEFT_OUT)
    return 0
  }
  const jobs = String(compilerJobs())
  const build = ['--build', 'build/native', '--target', 'core_test', '--parallel', jobs]
  if (spawnSync('cmake', build, { cwd: root, stdio: 'inherit' }).status !== 0) return 1
  const count = execFileSync(join(root, 'build/native/core_test'), ['--count', '--no-colors=true']).toString()
  if (!/: [1-9]\d*\s/.test(count)) {
    console.error(`expected doctest cases in native/test, but core_test has none: ${count}`)
    return 1
  }
  const arguments_ = ['--test-dir', 'build/native', '--output-on-failure', '--no-tests=error']
  return spawnSync('ctest', arguments_, { cwd: root, stdio: 'inherit' }).status ?? 1
}

function isDoctestFound() {
  return existsSync(
    join(cmakeVariable(join(root, 'build/native'), 'DOCTEST_INCLUDE') ?? '', 'doctest/doctest.h'),
  )
}
