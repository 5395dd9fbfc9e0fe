import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, normalize } from 'node:path'

import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'

import { root } from '../support/paths.js'
import { type Contents, pack } from '../support/tarball.js'

const description = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const mebibyte = 2 ** 20

/** Each kind of file that a user needs. Everything else in the tarball is a mistake. */
const needed = [
  /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|CONTRIBUTING\.md|CMakeLists\.txt|requirements\.txt)$/,
  /^dist\/.*\.(js|d\.ts)$/,
  /^native\/(core|binding|declarations)\/.*\.(cpp|h)$/,
  /^scripts\/bench\/README\.md$/, // a page of the documents
  /^scripts\/setup\/.*\.mjs$/, // not scripts/setup.mjs, by which a checkout is known
  /^scripts\/export\/\w+\.py$/,
  /^docs\/.*\.(md|svg|json)$/,
  /^examples\/.*\.(ts|md|Dockerfile)$/,
]

describe('the tarball that npm packs', () => {
  let tarball: Contents
  let paths: Set<string>
  beforeAll(async () => {
    tarball = await pack()
    paths = new Set(tarball.paths)
  })

  const compiled = () => tarball.paths.filter((path) => /^dist\/.*\.(js|d\.ts)$/.test(path))

  it('is smaller than 5 MiB', () => {
    expect(tarball.size).toBeLessThan(5 * mebibyte)
    expect(tarball.size).toBeGreaterThan(mebibyte / 2)
  })

  it('has only what a user needs, and nothing that git ignores or whose source is gone', () => {
    expect(tarball.paths.filter((path) => !needed.some((kind) => kind.test(path)))).toEqual([])
    const options = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const known = new Set(execFileSync('git', options, { cwd: root }).toString().split('\0'))
    const copied = 'dist/train/typed-emitter.d.ts'
    const hasSource = (path: string) =>
      existsSync(join(root, path.replace(/^dist/, 'src').replace(/(\.d)?\.(ts|js)$/, '.ts')))
    const strangers = tarball.paths.filter((path) =>
      path.startsWith('dist/') ? !hasSource(path) && path !== copied : !known.has(path),
    )
    expect(strangers).toEqual([])
  })

  it('has all sources of the addon, and each program that exports a model', () => {
    const sources = execFileSync('git', ['ls-files', 'native', ':!native/test', 'scripts/export'], {
      cwd: root,
    })
    const missing = sources
      .toString()
      .split('\n')
      .filter((path) => path !== '' && !paths.has(path))
    expect(missing).toEqual([])
  })

  it('has the files to which package.json refers', () => {
    const entries = Object.values<string | Record<string, string>>(description.exports)
    const targets = entries.flatMap((entry) => (typeof entry === 'string' ? entry : Object.values(entry)))
    targets.push(...Object.values<string>(description.bin))
    expect(targets.length).toBeGreaterThan(20)
    expect(targets.map(normalize).filter((path) => !paths.has(path))).toEqual([])
  })

  it('has the files that its files import, and names their packages as dependencies', () => {
    const imported = compiled().flatMap((path) =>
      ts.preProcessFile(read(path)).importedFiles.map(({ fileName }) => ({ path, specifier: fileName })),
    )
    expect(imported.length).toBeGreaterThan(1000)
    const own = Object.keys(description.dependencies)
    const missing = imported.filter(({ path, specifier }) => {
      if (specifier.startsWith('.')) {
        const target = join(path, '..', specifier)
        return !paths.has(path.endsWith('.d.ts') ? target.replace(/\.js$/, '.d.ts') : target)
      }
      if (specifier.startsWith('node:')) return !builtinModules.includes(specifier.slice('node:'.length))
      return !own.some((name) => specifier === name || specifier.startsWith(`${name}/`))
    })
    expect(missing).toEqual([])
  })

  it('makes users install only what is imported, and what builds the addon', () => {
    const imported = new Set(
      compiled()
        .filter((path) => path.endsWith('.js'))
        .flatMap((path) => ts.preProcessFile(read(path)).importedFiles.map(({ fileName }) => fileName)),
    )
    const unused = Object.keys(description.dependencies).filter((name) => !imported.has(name))
    expect(unused.sort()).toEqual(['cmake-js', 'node-addon-api', 'node-api-headers'])
  })

  it('has what the links in its documents name', () => {
    const folders = new Set(
      tarball.paths.flatMap((path) => path.split('/').map((_, i, all) => all.slice(0, i).join('/'))),
    )
    const links = tarball.paths
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...read(path).matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)].map(([, link]) => ({ path, link: link! })),
      )
      .filter(({ link }) => !/^https?:/.test(link))
    expect(links.length).toBeGreaterThan(40)
    const dead = links.filter(({ path, link }) => {
      const target = join(path, '..', link).replace(/\/$/, '')
      return !paths.has(target) && !folders.has(target)
    })
    expect(dead).toEqual([])
  })
})
