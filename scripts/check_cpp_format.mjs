/**
 * Checks the format of the C++ sources; with --write it corrects the format. It uses the clang-format that requirements-dev.txt
 * pins, since other versions format differently.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { which } from './setup/command.mjs'
import { readState } from './setup/state.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const pin = /^clang-format==\S+/m.exec(readFileSync(join(root, 'requirements-dev.txt'), 'utf8'))[0]
const installed = join(root, 'build/clang-format')
const binary = 'clang_format/data/bin/clang-format'

process.exitCode = main(process.argv.slice(2))

/** @returns the exit code */
function main(args) {
  const write = args[0] === '--write'
  if (args.length > (write ? 1 : 0)) return fail('expected no argument or --write', 2)
  const files = sources(join(root, 'native')).map((path) => relative(root, path))
  if (files.length === 0) return fail('expected C++ sources (*.h, *.cpp) below native, but found none')
  const tool = findTool() ?? installTool()
  if (tool === undefined) return 1
  const mode = write ? ['-i'] : ['--dry-run', '-Werror']
  const { status } = spawnSync(tool, [...mode, '--style=file', ...files], { cwd: root, stdio: 'inherit' })
  if (status !== 0) return fail(write ? 'clang-format failed' : 'not formatted: run `npm run format`')
  console.log(`${files.length} C++ files ${write ? 'formatted' : 'are formatted'} (${pin})`)
  return 0
}

function sources(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return sources(path)
    return /\.(h|cpp)$/.test(entry.name) ? [path] : []
  })
}

function findTool() {
  const candidates = [join(installed, binary), join(root, '.venv/bin/clang-format'), which('clang-format')]
  return candidates.find((path) => path && isPinned(path))
}

function isPinned(path) {
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return stdout?.match(/version (\S+)/)?.[1] === pin.split('==')[1]
}

function installTool() {
  const python = readState(join(root, 'build')).python ?? which('python3')
  if (!python) {
    fail(
      `expected a Python to install ${pin} with, but there is none. Install it so that clang-format is on PATH.`,
    )
    return undefined
  }
  console.error(`installing ${pin} into build/clang-format`)
  const temporary = `${installed}.${process.pid}`
  const pip = ['-m', 'pip', '--no-input', '--disable-pip-version-check', '--no-cache-dir']
  const { status } = spawnSync(
    python,
    [...pip, 'install', '--quiet', '--no-deps', '--target', temporary, pin],
    {
      stdio: ['ignore', 2, 2],
      env: { ...process.env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0' },
    },
  )
  const path = join(temporary, binary)
  if (status === 0 && isPinned(path)) {
    rmSync(installed, { recursive: true, force: true })
    renameSync(temporary, installed)
    return join(installed, binary)
  }
  rmSync(temporary, { recursive: true, force: true })
  fail(
    `expected \`${python} -m pip install ${pin}\` to bring clang-format, but it did not. Install ${pin} by hand so that ` +
      'it is on PATH, or give that Python its pip (Debian/Ubuntu: apt-get install python3-pip).',
  )
  return undefined
}

function fail(message, code = 1) {
  console.error(`check_cpp_format: ${message}`)
  return code
}
