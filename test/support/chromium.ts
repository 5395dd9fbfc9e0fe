import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** The browser that pages are tested in: `CHROMIUM`, or the `chromium` of the path; undefined if there is none. */
export const chromium = find()

function find(): string | undefined {
  const path = process.env.CHROMIUM || 'chromium'
  try {
    execFileSync(path, ['--version'], { stdio: 'ignore' })
    return path
  } catch {
    process.stderr.write('there is no chromium (set CHROMIUM): the tests in a browser are left out\n')
    return undefined
  }
}

/**
 * Opens a file in a headless browser without network.
 *
 * @param args as `--dump-dom` or `--screenshot=PATH`
 * @returns what the browser prints, and the lines of the page's console, in which refused requests are told too
 */
export function browse(file: string, ...args: string[]): Promise<{ stdout: string; console: string[] }> {
  const profile = mkdtempSync(join(tmpdir(), 'sos-chromium-'))
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    '--enable-logging=stderr',
    `--user-data-dir=${profile}`,
    '--host-resolver-rules=MAP * ~NOTFOUND',
  ]
  return new Promise((resolve, reject) => {
    execFile(
      chromium!,
      [...flags, ...args, pathToFileURL(file).href],
      { maxBuffer: 2 ** 26, timeout: 60_000 },
      (error, stdout, stderr) => {
        rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
        if (error !== null) reject(error)
        else resolve({ stdout, console: stderr.split('\n').filter((line) => line.includes('CONSOLE')) })
      },
    )
  })
}
