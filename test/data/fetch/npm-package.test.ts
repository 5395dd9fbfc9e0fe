import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import { type NpmPackage, npmTarball } from '../../../src/data/fetch/npm-package.js'
import { temporaryFolder } from '../../support/paths.js'

/** What the registry below serves as the tarball: all of it, or its first half and then nothing. */
let served: { bytes: Buffer; whole: boolean }
let requests = 0
let registry: Server
let pack: NpmPackage
let tarball: Buffer

const sha512 = (bytes: Buffer) => `sha512-${createHash('sha512').update(bytes).digest('base64')}`

beforeAll(async () => {
  const source = temporaryFolder()
  writeFileSync(join(source, 'package.json'), JSON.stringify({ name: 'sos-sample', version: '1.0.0' }))
  execFileSync('npm', ['pack'], { cwd: source, stdio: 'ignore' })
  tarball = readFileSync(join(source, 'sos-sample-1.0.0.tgz'))
  pack = { name: 'sos-sample', version: '1.0.0', integrity: sha512(tarball), size: tarball.length }
  registry = createServer((request, response) => {
    const base = `http://localhost:${(registry.address() as AddressInfo).port}`
    if (request.url?.endsWith('.tgz')) {
      requests++
      response.setHeader('content-length', served.bytes.length)
      if (served.whole) return response.end(served.bytes)
      return response.write(served.bytes.subarray(0, served.bytes.length >> 1))
    }
    const dist = { tarball: `${base}/sos-sample/-/sos-sample-1.0.0.tgz`, integrity: sha512(served.bytes) }
    const versions = { '1.0.0': { name: 'sos-sample', version: '1.0.0', dist } }
    response.end(JSON.stringify({ name: 'sos-sample', 'dist-tags': { latest: '1.0.0' }, versions }))
  })
  await new Promise<void>((resolve) => registry.listen(0, 'localhost', resolve))
})
afterAll(() => {
  registry.closeAllConnections()
  registry.close()
})
afterEach(() => vi.unstubAllEnvs())

/** A folder for the download, with npm configured for the registry as a user would do it. */
function setUp(serve: typeof served): string {
  served = serve
  requests = 0
  vi.stubEnv('npm_config_registry', `http://localhost:${(registry.address() as AddressInfo).port}/`)
  vi.stubEnv('npm_config_fetch_retries', '0')
  return join(temporaryFolder(), 'download')
}

describe('npmTarball', () => {
  it("brings a package through the user's registry, once", async () => {
    const folder = setUp({ bytes: tarball, whole: true })
    const path = await npmTarball(pack, folder)
    expect(readFileSync(path).equals(tarball)).toBe(true)
    expect(readdirSync(folder)).toEqual(['sos-sample-1.0.0.tgz'])
    expect(await npmTarball(pack, folder)).toBe(path)
    expect(requests).toBe(1)
  })

  it('throws away what an interrupted or damaged download left', async () => {
    const folder = setUp({ bytes: tarball, whole: true })
    mkdirSync(join(folder, 'cache'), { recursive: true })
    writeFileSync(join(folder, 'cache', 'part'), 'half of it')
    writeFileSync(join(folder, 'sos-sample-1.0.0.tgz'), 'another')
    await npmTarball(pack, folder)
    expect(readdirSync(folder)).toEqual(['sos-sample-1.0.0.tgz'])
  })

  it('refuses a tarball that is not the published one, even if the registry vouches for it', async () => {
    const tampered = gzipSync(gunzipSync(tarball), { level: 1 })
    const folder = setUp({ bytes: tampered, whole: true })
    await expect(npmTarball(pack, folder)).rejects.toMatchObject({
      code: 'ERR_FETCH',
      message: expect.stringContaining(pack.integrity),
    })
    expect(existsSync(folder)).toBe(false)
  })

  it("reports npm's reason if it fails", async () => {
    const folder = setUp({ bytes: tarball, whole: true })
    const failed = npmTarball({ ...pack, version: '9.9.9' }, folder)
    await expect(failed).rejects.toMatchObject({
      code: 'ERR_FETCH',
      message: expect.stringMatching(/9\.9\.9/),
    })
    vi.stubEnv('PATH', '')
    await expect(npmTarball(pack, folder)).rejects.toThrow('it cannot be run')
    expect(existsSync(folder)).toBe(false)
  })

  it('reports the bytes that have arrived', async () => {
    const folder = setUp({ bytes: tarball, whole: false })
    const [told, abort] = [[] as number[], new AbortController()]
    const download = npmTarball(pack, folder, (bytes) => void told.push(bytes), abort.signal)
    await vi.waitFor(() => expect(requests).toBe(1), 20_000)
    const files: [name: string, bytes: number][] = [
      ['one', 70_000],
      ['two', 5000],
    ]
    const before = Math.max(0, ...told)
    for (const [name, bytes] of files) writeFileSync(join(folder, 'cache', name), Buffer.alloc(bytes))
    await vi.waitFor(() => expect(told.at(-1)).toBeGreaterThanOrEqual(before + 75_000), 20_000)
    // What npm itself keeps there, of a tarball of hundreds of bytes, is less.
    expect(told.at(-1)).toBeLessThan(before + 75_000 + 10_000)
    abort.abort(new Error('enough'))
    await expect(download).rejects.toThrow('enough')
  })

  it('stops at a signal in the middle of a download, and begins again', async () => {
    const folder = setUp({ bytes: tarball, whole: false })
    const abort = new AbortController()
    const download = npmTarball(pack, folder, undefined, abort.signal)
    await vi.waitFor(() => expect(requests).toBe(1), 20_000)
    abort.abort(new Error('enough'))
    await expect(download).rejects.toThrow('enough')
    expect(existsSync(folder)).toBe(false)
    served = { bytes: tarball, whole: true }
    await npmTarball(pack, folder)
    expect(readdirSync(folder)).toEqual(['sos-sample-1.0.0.tgz'])
  })
})
