import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeFolder, SosError } from '../../base/index.js'

/** One published version of a package, with the fields of npm's lockfiles. */
export interface NpmPackage {
  readonly name: string
  readonly version: string
  /** `sha512-` and the base64 of the tarball's SHA-512. */
  readonly integrity: string
  /** The size of the tarball in bytes. */
  readonly size: number
}

/**
 * Downloads the tarball of a package with `npm pack`, so that registry, proxy and credentials are those of the user's npm. A complete tarball
 * in the folder is used. Anything else in the folder is removed, since an interrupted download left it.
 *
 * @param folder a folder for this purpose only
 * @param onProgress is called with the number of bytes that have arrived
 * @returns the path of the tarball
 * @throws `ERR_FETCH` if npm fails or the tarball is not the published one; nothing of it is left then
 */
export async function npmTarball(
  pack: NpmPackage,
  folder: string,
  onProgress: (bytes: number) => void = () => {},
  signal?: AbortSignal,
): Promise<string> {
  const tarball = join(folder, tarballName(pack))
  if ((await integrityOf(tarball)) === pack.integrity) return tarball
  await rm(folder, { recursive: true, force: true })
  const [arriving, cache] = [join(folder, 'arriving'), join(folder, 'cache')]
  await makeFolder(arriving)
  // npm first writes what arrives into its cache. A cache for this download alone shows the progress, and keeps the user's cache small.
  const watch = setInterval(() => void bytesIn(cache).then(onProgress, () => {}), 500)
  try {
    const spec = `${pack.name}@${pack.version}`
    await npm(['pack', spec, '--pack-destination', arriving, '--cache', cache, '--loglevel', 'error'], signal)
    await verifyTarball(join(arriving, tarballName(pack)), pack)
    await rename(join(arriving, tarballName(pack)), tarball)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  } finally {
    clearInterval(watch)
  }
  await Promise.all([arriving, cache].map((path) => rm(path, { recursive: true, force: true })))
  return tarball
}

/** Compares a tarball with the SHA-512 of the published one. Throws `ERR_FETCH`. */
export async function verifyTarball(path: string, pack: NpmPackage): Promise<void> {
  const came = await integrityOf(path)
  if (came === pack.integrity) return
  const what = came === null ? 'there is no such file' : `the file has ${came}`
  throw new SosError(
    'ERR_FETCH',
    `${path}: expected the tarball of ${pack.name} ${pack.version}, ${pack.integrity}, but ${what}`,
  )
}

function tarballName({ name, version }: NpmPackage): string {
  return `${name}-${version}.tgz`
}

async function integrityOf(path: string): Promise<string | null> {
  const hash = createHash('sha512')
  try {
    await pipeline(createReadStream(path), hash)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new SosError('ERR_FETCH', `${path}: ${(error as Error).message}`, { cause: error })
  }
  return `sha512-${hash.digest('base64')}`
}

async function npm(args: string[], signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  const child = spawn('npm', args, { stdio: ['ignore', 'ignore', 'pipe'], signal })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const end = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, killedBy) => resolve(killedBy ?? code))
  }).catch((cause) => {
    signal?.throwIfAborted()
    throw new SosError(
      'ERR_FETCH',
      `expected npm, which downloads the data, but it cannot be run: ${cause.message}`,
      {
        cause,
      },
    )
  })
  if (end === 0) return
  // Ctrl-C in a terminal also ends npm, perhaps before this process receives the signal.
  await sleep(100)
  signal?.throwIfAborted()
  const lines = said.match(/(?<=^npm (?:error|ERR!) )(?!code |A complete log|\s).+/gm) ?? []
  throw new SosError(
    'ERR_FETCH',
    `npm ${args.slice(0, 2).join(' ')} ended with ${end}: ${lines.join(' ') || said.trim()}`,
  )
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) => stat(join(entry.parentPath, entry.name)).then(({ size }) => size))
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0)
}
