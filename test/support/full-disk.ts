import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'

import type { CliResult } from './cli.js'
import { root } from './paths.js'

/** Whether a process may mount a small disk here that only this process sees. */
export const canMount: boolean = (() => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' })
    return true
  } catch {
    process.stderr.write('unshare cannot mount a disk: the tests with a full one are left out\n')
    return false
  }
})()

/** Runs the command with a disk of `size`, such as 16k, at `folder`; `left` are the names on it at the end. */
export function sosOnDisk(
  size: string,
  folder: string,
  ...args: string[]
): Promise<CliResult & { left: string[] }> {
  mkdirSync(folder, { recursive: true })
  const script = `mount -t tmpfs -o size=${size} tmpfs "$0" || exit 99; "$@"; code=$?; echo "left: $(ls -Am "$0")" >&2; exit $code`
  const command = ['-rm', 'sh', '-c', script, folder, process.execPath, `${root}/dist/cli/main.js`, ...args]
  return new Promise((resolve) => {
    execFile('unshare', command, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const [, told = '', left = ''] = /^([\s\S]*)left: (.*)\n$/.exec(stderr) ?? []
      resolve({
        code: error === null ? 0 : Number(error.code),
        stdout,
        stderr: told,
        left: left.split(', ').filter(Boolean),
      })
    })
  })
}
