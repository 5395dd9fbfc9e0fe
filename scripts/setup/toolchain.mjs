import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { which } from './command.mjs'
import { SetupFailure } from './failure.mjs'
import { findPython } from './python.mjs'

const OLDEST_CMAKE = [3, 20]
const CPP20 = `#include <concepts>
template <std::integral T> T twice(T value) { return value + value; }
int main() { return twice(0); }
`

/**
 * @typedef {object} Lack something that this machine needs and does not have
 * @property {string} what
 * @property {string} found what is there instead
 * @property {string} apt Debian/Ubuntu packages
 * @property {string} mac the command for macOS
 */

/** Names everything that is missing at once, so that one visit to the package manager is enough. */
export function refuseLacks(lacks, command) {
  if (lacks.length === 0) return
  const mac = process.platform === 'darwin'
  const entries = lacks.map(
    ({ what, found, apt, mac: command }) =>
      `  ${what}\n    found: ${found}\n    ${mac ? command : `Debian/Ubuntu: apt-get install ${apt}`}\n`,
  )
  throw new SetupFailure(
    `expected on this machine, but missing:\n${entries.join('')}Install ${lacks.length > 1 ? 'them' : 'it'}, then run \`${command}\` again.`,
  )
}

/** Checks the version of Node. The oldest one is in package.json. @returns {Lack | undefined} */
export function lackOfNode(root, version = process.versions.node) {
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace('>=', '')
  if (compare(numbers(version), numbers(wanted)) >= 0) return undefined
  return {
    what: `Node ${wanted} or newer`,
    found: `${version} (${process.execPath})`,
    apt: 'nodejs npm (if that version is also too old: a release from the Node.js website)',
    mac: 'brew install node',
  }
}

/**
 * @param {string} otherwise how the user names a libtorch that is there
 * @returns {Lack[]}
 */
export function lackOfPython(otherwise) {
  const found = findPython()
  if ('python' in found) return []
  return [
    {
      what: `Python 3.10 to 3.13 with venv; or ${otherwise} to use a libtorch that is installed`,
      found: found.tried.join('; ') || 'no python3 on PATH',
      apt: found.package,
      mac: 'brew install python@3.13',
    },
  ]
}

/** @returns {Lack[]} */
export function lacksOfCMake() {
  const lacks = []
  const cmake = which('cmake')
  const version = cmake && /cmake version (\S+)/.exec(output(cmake, ['--version']))?.[1]
  if (!version || compare(numbers(version), OLDEST_CMAKE) < 0) {
    lacks.push({
      what: `CMake ${OLDEST_CMAKE.join('.')} or newer`,
      found: cmake ? `${cmake}, ${version ?? 'which does not run'}` : 'no cmake on PATH',
      apt: 'cmake',
      mac: 'brew install cmake',
    })
  }
  if (!which('ninja') && !which('make')) {
    lacks.push({
      what: 'Ninja or Make',
      found: 'no ninja or make on PATH',
      apt: 'ninja-build',
      mac: 'brew install ninja',
    })
  }
  return lacks
}

/**
 * Finds a compiler that compiles and links C++20.
 *
 * @param {string} folder for temporary files
 * @returns {{ command: string, path: string } | Lack} the command may hold arguments, as in CXX="ccache g++"
 */
export function findCompiler(folder) {
  const commands = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  const source = join(folder, 'cpp20.cpp')
  mkdirSync(folder, { recursive: true })
  writeFileSync(source, CPP20)
  const tried = []
  for (const command of commands) {
    const [name, ...args] = command.trim().split(/\s+/)
    const path = which(name)
    if (!path) {
      if (process.env.CXX) tried.push(`CXX=${command} is not on PATH`)
      continue
    }
    if (output(path, [...args, '-std=c++20', source, '-o', join(folder, 'cpp20')]) !== undefined) {
      return { command, path }
    }
    tried.push(`${path} does not compile C++20 with <concepts>`)
  }
  return {
    what: 'a C++20 compiler (CXX, c++, g++ or clang++)',
    found: tried.join('; ') || 'none on PATH',
    apt: 'g++',
    mac: 'xcode-select --install',
  }
}

function output(path, args) {
  try {
    return execFileSync(path, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 }).toString()
  } catch {
    return undefined
  }
}

function numbers(version) {
  return version.split('.').map((part) => Number.parseInt(part, 10))
}

/** Compares only major and minor version. */
function compare(a, b) {
  return a[0] - b[0] || a[1] - b[1]
}
