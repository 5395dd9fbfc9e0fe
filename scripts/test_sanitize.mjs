/**
 * Builds core and its C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer, in build/sanitize, and runs them.
 * It fails on any report, also of leaks; libtorch itself causes none.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cmakeVariable, compilerJobs } from './setup/addon.mjs'
import { libraries } from './setup/libraries.mjs'
import { withLock } from './setup/lock.mjs'
import { explainUnwritable } from './setup/paths.mjs'
import { readState } from './setup/state.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const build = 'build/sanitize'

process.exitCode = await withLock(join(root, 'build'), say, testSanitize).catch((error) => {
  const explained = explainUnwritable(error)
  if (explained === error) throw error
  say(explained.message)
  return 1
})

function say(message) {
  console.error(`test_sanitize: ${message}`)
}

/** @returns the exit code */
function testSanitize() {
  const { torchRoot } = readState(join(root, 'build'))
  const compiler = cmakeVariable(join(root, 'build/native'), 'CMAKE_CXX_COMPILER')
  if (!torchRoot || !compiler) {
    console.error('expected a configured build/native, but there is none: run `npm run setup` first')
    return 1
  }
  const configure = ['-S', '.', '-B', build, '-DSOS_SANITIZE=ON', '-DCMAKE_BUILD_TYPE=RelWithDebInfo']
  const found = { TORCH_ROOT: torchRoot, ...libraries.variables({ root, build: join(root, 'build') }) }
  const where = Object.entries(found).map(([name, value]) => `-D${name}=${value}`)
  // CXX may hold a command with an argument, such as `ccache g++`.
  const CXX = [compiler, cmakeVariable(join(root, 'build/native'), 'CMAKE_CXX_COMPILER_ARG1')?.trim()]
    .filter(Boolean)
    .join(' ')
  if (run('cmake', [...configure, ...where], { CXX }) !== 0) return 1
  if (!existsSync(join(cmakeVariable(join(root, build), 'DOCTEST_INCLUDE') ?? '', 'doctest/doctest.h'))) {
    console.error(
      'expected doctest/doctest.h, but it was not found; `npm run setup` fetches it or says how to install it',
    )
    return 1
  }
  if (run('cmake', ['--build', build, '--target', 'core_test', '--parallel', String(compilerJobs())]) !== 0) {
    return 1
  }
  return run(join(root, build, 'core_test'), ['--no-colors=true'], {
    ASAN_OPTIONS:
      'detect_leaks=1:detect_stack_use_after_return=1:check_initialization_order=1:strict_init_order=1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  })
}

function run(command, args, env = {}) {
  return (
    spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1
  )
}
