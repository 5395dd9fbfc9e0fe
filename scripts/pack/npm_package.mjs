import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * Packs a package that users install beside this one. It has the version, the license and the repository of this one.
 *
 * @param {string} root the checkout
 * @param {{ name: string, description: string }} fields what else its package.json has
 * @param {Record<string, string>} files the path of each file or folder in the package, and the path of what is copied there
 * @param {string} out the folder to write into
 * @returns {string} the path of the tarball
 */
export function packNpmPackage(root, fields, files, out = join(root, 'build/packages')) {
  const { version, license, repository, homepage, bugs } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  )
  const stage = mkdtempSync(join(tmpdir(), 'sos-pack-'))
  try {
    const description = { ...fields, version, license, repository, homepage, bugs }
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(description, null, 2)}\n`)
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(stage, path)), { recursive: true })
      cpSync(source, join(stage, path), { recursive: true, dereference: true })
    }
    mkdirSync(out, { recursive: true })
    const options = ['--ignore-scripts', '--json', '--pack-destination', out]
    const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', ...options], { cwd: stage }).toString())
    return join(out, filename)
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}
