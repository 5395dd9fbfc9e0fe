import { spawn } from 'node:child_process'
import { accessSync, appendFileSync, closeSync, constants, openSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SetupFailure } from './failure.mjs'

const running = new Set()

/** The first executable file of that name on PATH. */
export function which(name) {
  const folders = name.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  for (const folder of folders) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      if (statSync(path).isFile()) return path
    } catch {}
  }
}

/** Runs a command and writes its output into the log. If it fails, the error has the relevant lines. */
export async function run(log, command, args, { cwd, env = process.env }) {
  appendFileSync(log, `\n$ ${[command, ...args].join(' ')}\n`)
  const start = statSync(log).size
  const descriptor = openSync(log, 'a')
  // The command has its own process group, so that an interrupt also reaches the compilers that cmake-js starts.
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', descriptor, descriptor], detached: true })
  running.add(child)
  try {
    const end = await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve(signal ?? code))
    })
    if (end !== 0) {
      const output = readFileSync(log).subarray(start).toString()
      throw new SetupFailure(
        `${relevantLines(output)}\n${command} ended with ${end}; all of its output: ${log}`,
      )
    }
  } finally {
    running.delete(child)
    closeSync(descriptor)
  }
}

/** Makes an interrupt end the running commands and then this process, which releases its lock when it exits. */
export function endCommandsOnSignals() {
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ]) {
    process.on(signal, () => {
      for (const child of running) {
        try {
          process.kill(-child.pid, signal)
        } catch {}
      }
      process.exit(128 + number)
    })
  }
}

/** The lines from the first error on; if there is none, the last lines. */
export function relevantLines(output, limit = 30) {
  const lines = output.trim().split('\n')
  const first = lines.findIndex((line) =>
    /[Ee]rror( TS\d+)?:|^FAILED|^CMake Error|^npm error|^ERROR/.test(line),
  )
  const start = first < 0 ? Math.max(0, lines.length - limit) : Math.max(0, first - 1)
  return lines
    .slice(start, start + limit)
    .map((line) => (line.length > 240 ? `${line.slice(0, 240)}…` : line))
    .join('\n')
}
