import { createHash } from 'node:crypto'

import { expect, it } from 'vitest'

import { fingerprint, labelsSha256 } from '../../src/data/fingerprint.js'
import { torch } from '../../src/index.js'
import { datasetOf } from '../support/datasets.js'

const sha256 = (...parts: (string | Uint8Array)[]) => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

it('a fingerprint is of the labels, and of the bytes of samples, if they can be read', async () => {
  const all = torch.arange(6, { dtype: 'float32' }).reshape([3, 2])
  const data = datasetOf('three', all, ['a', 'b'], [1])
  const rows = [Float32Array.of(0, 1), Float32Array.of(4, 5)].map((row) => new Uint8Array(row.buffer))
  expect(labelsSha256(data)).toBe(sha256(new Uint8Array(Int32Array.of(0, 1, 0).buffer)))
  expect(await fingerprint(data)).toEqual({
    labelsSha256: labelsSha256(data),
    sampleSha256: sha256('1 float32 1,2\n', rows[0]!, '0 float32 0,2\n', '1 float32 1,2\n', rows[1]!),
  })
})
