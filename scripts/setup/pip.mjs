import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './command.mjs'
import { findPython } from './python.mjs'
import { folderSize } from './sizes.mjs'

/** -I, so that packages in PYTHONPATH or in the user's site do not count as installed. */
export const pip = ['-I', '-m', 'pip', '--no-input', '--disable-pip-version-check']

/**
 * The environment for pip. pip's own cache would be outside of the folders that set-up may write to; with this one, an interrupted
 * installation keeps what it has downloaded.
 */
export function pipEnvironment(env, cache) {
  return { PIP_CACHE_DIR: cache, ...env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0' }
}

/** Makes a virtual environment with pip. `folder` is relative to `parent`. */
export async function makeEnvironment({ log, env, timed }, parent, folder) {
  const { python } = findPython()
  await timed(`${python} -m venv ${folder}`, () =>
    run(log, python, ['-m', 'venv', folder], { cwd: parent, env }),
  )
}

/** The arguments by which pip installs packages, without what they depend on. */
export function installArguments(packages, options = []) {
  return [...pip, 'install', '--progress-bar', 'off', '--no-deps', ...options, ...packages]
}

/**
 * Asks pip which packages it would install, and their sizes.
 *
 * @param {string[]} requirements
 * @param {string[]} options such as an index
 * @returns {Promise<{ name: string, version: string, bytes: number | undefined }[]>} bytes to download, if the server tells them
 */
export async function planOf({ log, env, temporary }, folder, requirements, options) {
  const report = join(temporary, 'pip.json')
  const arguments_ = ['install', '--quiet', '--dry-run', '--ignore-installed', '--report', report]
  await run(log, join(folder, 'bin/python'), [...pip, ...arguments_, ...options, ...requirements], {
    cwd: folder,
    env,
  })
  const { install } = JSON.parse(readFileSync(report, 'utf8'))
  return Promise.all(
    install.map(async ({ metadata, download_info }) => ({
      name: metadata.name,
      version: metadata.version,
      bytes: await sizeOf(download_info.url),
    })),
  )
}

/**
 * Installs packages, and shows how much has been downloaded.
 *
 * @param {string[]} requirements
 * @param {string[]} [options] such as an index
 * @param {number} [total] the bytes to download, if they are known
 */
export async function installPackages(context, folder, requirements, options = [], total = undefined) {
  const { log, env, timed, temporary } = context
  const progress = () => {
    const bytes = existsSync(temporary) ? folderSize(temporary) : 0
    if (bytes < 1e6) return undefined
    return total && bytes < total
      ? `${(bytes / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`
      : 'unpacking'
  }
  const [first, ...others] = requirements
  const title = others.length < 2 ? requirements.join(' and ') : `${first} and ${others.length} others`
  await timed(
    `install ${title}`,
    () =>
      run(log, join(folder, 'bin/python'), installArguments(requirements, options), {
        cwd: folder,
        // Understood by a pip that can continue a download that broke off.
        env: { ...env, PIP_RESUME_RETRIES: '10' },
      }),
    progress,
  )
}

/** The bytes to download, or undefined if one of the sizes is unknown. */
export function downloadSize(packages) {
  const sizes = packages.map(({ bytes }) => bytes)
  return sizes.includes(undefined) ? undefined : sizes.reduce((sum, bytes) => sum + bytes, 0)
}

async function sizeOf(url) {
  try {
    if (url.startsWith('file:')) return statSync(fileURLToPath(url)).size
    const { ok, headers } = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(10_000) })
    return ok && headers.has('content-length') ? Number(headers.get('content-length')) : undefined
  } catch {
    return undefined // a proxy or a mirror that fetch does not know
  }
}
