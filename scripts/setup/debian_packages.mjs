import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run, which } from './command.mjs'

const PATIENCE = ['Acquire::Retries=1', 'Acquire::http::Timeout=20', 'Acquire::https::Timeout=20']

/** Whether this is a Debian or a system like it, such as Ubuntu. */
export function hasDebianPackages() {
  return which('apt-get') !== undefined && which('dpkg-deb') !== undefined
}

/**
 * Downloads a package for development and the library that it is for, and unpacks both into a folder, which appears complete. That needs
 * no rights of root, and nothing is installed.
 *
 * @param {string} name as in libturbojpeg0-dev. The name of the library's own package differs between systems
 * @param {string} folder
 */
export async function unpackDebianPackage(name, folder, context) {
  const { temporary, log, env } = context
  const downloads = join(temporary, name)
  const unpacked = `${folder}.unfinished`
  for (const path of [downloads, unpacked]) {
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path, { recursive: true })
  }
  const packages = () => readdirSync(downloads).filter((file) => file.endsWith('.deb'))
  await download(name, downloads, context)
  const needed = execFileSync('dpkg-deb', ['--field', join(downloads, packages()[0]), 'Depends']).toString()
  const library = name.replace(/\d*-dev$/, '')
  for (const [other] of needed.matchAll(/[a-z0-9][a-z0-9+.-]+/g)) {
    if (other.startsWith(library)) await download(other, downloads, context)
  }
  for (const file of packages()) {
    await run(log, 'dpkg-deb', ['--extract', join(downloads, file), unpacked], { env })
  }
  rmSync(folder, { recursive: true, force: true })
  renameSync(unpacked, folder)
}

async function download(name, folder, { temporary, log, env }) {
  const get = (...options) =>
    run(log, 'apt-get', [...options, 'download', name], { cwd: folder, env: { ...env, LC_ALL: 'C' } })
  const lists = join(temporary, 'apt')
  if (existsSync(lists)) return get(...optionsOf(lists))
  try {
    await get(...settings(PATIENCE))
  } catch {
    // The system has no lists of packages, as in a container's image, or old ones. Only root can update them, so these are our own.
    mkdirSync(join(lists, 'state/lists/partial'), { recursive: true })
    mkdirSync(join(lists, 'cache/archives/partial'), { recursive: true })
    await run(log, 'apt-get', [...optionsOf(lists), 'update'], { cwd: folder, env }).catch(() => {}) // one of several servers may fail
    await get(...optionsOf(lists))
  }
}

function optionsOf(lists) {
  return settings([
    ...PATIENCE,
    `Dir::State=${join(lists, 'state')}`,
    'Dir::State::status=/var/lib/dpkg/status',
    `Dir::Cache=${join(lists, 'cache')}`,
    'Acquire::Languages=none',
    'APT::Sandbox::User=root', // for root itself: apt's own user may not write here
  ])
}

function settings(values) {
  return values.flatMap((value) => ['-o', value])
}
