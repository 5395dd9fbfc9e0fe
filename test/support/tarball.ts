import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { root } from './paths.js'

const run = promisify(execFile)

/** What npm packs of this checkout: the tarball's size in bytes, and the paths in it. */
export interface Contents {
  filename: string
  size: number
  paths: readonly string[]
}

/** Lists what `npm pack` would pack, or packs it into a folder. The compiled package must be there. */
export async function pack(folder?: string): Promise<Contents> {
  const where = folder === undefined ? ['--dry-run'] : ['--pack-destination', folder]
  const options = ['pack', '--json', '--ignore-scripts', ...where]
  const { stdout } = await run('npm', options, { cwd: root, maxBuffer: 2 ** 26 })
  const [{ filename, size, files }] = JSON.parse(stdout)
  return { filename, size, paths: files.map(({ path }: { path: string }) => path) }
}

/** Packs the package of the demo's network, or that of this checkout's addon, and gives the path of the tarball. */
export async function packBeside(name: 'demo' | 'addon'): Promise<string> {
  const { stdout } = await run(process.execPath, [`${root}/scripts/pack/${name}.mjs`])
  return stdout.trim()
}
