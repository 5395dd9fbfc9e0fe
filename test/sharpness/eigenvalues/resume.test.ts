import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import type { Progress } from '../../../src/data/index.js'
import {
  type EigenvalueOptions,
  type SymmetricOperator,
  topEigenvalues,
} from '../../../src/sharpness/index.js'
import { type Tensor, torch } from '../../../src/torch/index.js'
import { temporaryFolder } from '../../support/paths.js'
import { randn } from '../../support/random.js'

function operatorWith(scale = 1, size = 300): { operator: SymmetricOperator; counter: { products: number } } {
  const [q] = torch.linalg_qr(randn([size, size], 7, 'float64'))
  const spectrum = torch.arange(size, { dtype: 'float64' }).mul(-0.02).exp().mul(scale)
  const matrix = q.mul(spectrum).mm(q.t())
  const counter = { products: 0 }
  const apply = async (vectors: readonly Tensor[]) => {
    counter.products += vectors.length
    return vectors.map((vector) => matrix.mv(vector))
  }
  return { operator: { size, dtype: 'float64', apply }, counter }
}

/** It takes several restarts. */
const options: EigenvalueOptions = {
  count: 12,
  basisSize: 30,
  tolerance: 1e-6,
  maxProducts: 400,
  vectors: true,
}

/** Ends the computation after so many products, as Ctrl-C does. */
async function interrupted(operator: SymmetricOperator, own: EigenvalueOptions, products: number) {
  const controller = new AbortController()
  const onProgress = ({ done }: Progress) => {
    if (done === products) controller.abort(new Error('interrupted'))
  }
  const run = topEigenvalues(operator, { ...own, onProgress, signal: controller.signal })
  await expect(run).rejects.toThrow('interrupted')
}

const elements = (tensor: Tensor | null) => tensor!.toArray()

describe('topEigenvalues with a file to resume from', () => {
  it('ends with the same bits, wherever it was interrupted, and loses no product', async () => {
    const whole = await topEigenvalues(operatorWith().operator, options)
    expect(whole.products).toBeGreaterThan(60)
    for (const stops of [[1], [29], [30], [31], [17, 30, 31, 55]]) {
      const resume = join(temporaryFolder(), 'state')
      for (const stop of stops) await interrupted(operatorWith().operator, { ...options, resume }, stop)
      const { operator, counter } = operatorWith()
      const heard: Progress[] = []
      const found = await topEigenvalues(operator, { ...options, resume, onProgress: (p) => heard.push(p) })
      expect({ ...found, vectors: null }).toEqual({ ...whole, vectors: null })
      expect(elements(found.vectors)).toEqual(elements(whole.vectors))
      // One product more, by which the operator is recognised.
      expect(counter.products).toBe(whole.products - stops.at(-1)! + 1)
      expect(heard[0]).toEqual({ done: stops.at(-1)! + 1, total: 400, resumed: stops.at(-1) })
      // Its end is in the file, too: it is there at once for those who ask again.
      const again = operatorWith()
      const last = await topEigenvalues(again.operator, { ...options, resume })
      expect({ ...last, vectors: null }).toEqual({ ...whole, vectors: null })
      expect(again.counter.products).toBe(1)
    }
  })

  it('goes on to a smaller tolerance, and after products that ran out or failed', async () => {
    const resume = join(temporaryFolder(), 'state')
    const first = await topEigenvalues(operatorWith().operator, { ...options, maxProducts: 33, resume })
    expect(first.eigenvalues.every(({ converged }) => converged)).toBe(false)
    const { operator } = operatorWith()
    let left = 20
    const failing: SymmetricOperator = {
      ...operator,
      apply: (vectors) => {
        if (left-- === 0) throw new Error('the machine is gone')
        return operator.apply(vectors)
      },
    }
    await expect(topEigenvalues(failing, { ...options, resume })).rejects.toThrow('the machine is gone')
    const second = await topEigenvalues(operator, { ...options, resume })
    const whole = await topEigenvalues(operator, options)
    expect({ ...second, vectors: null }).toEqual({ ...whole, vectors: null })
    const third = await topEigenvalues(operator, { ...options, tolerance: 1e-9, resume })
    expect(third.products).toBeGreaterThan(second.products)
    const truth = Array.from({ length: 12 }, (_, i) => Math.exp(-0.02 * i))
    third.eigenvalues.forEach(({ value, residual }, i) => {
      expect(Math.abs(value - truth[i]!)).toBeLessThan(1e-12)
      expect(residual).toBeLessThan(1e-9)
    })
  })

  it.each(['float32', 'bfloat16'] as const)(
    'keeps a basis in %s, in memory or in a file',
    async (basisDtype) => {
      const own = { ...options, basisDtype, maxProducts: 70 }
      const whole = await topEigenvalues(operatorWith().operator, own)
      const folder = temporaryFolder()
      const resume = join(folder, 'state')
      await interrupted(operatorWith().operator, { ...own, resume, basisFolder: folder }, 33)
      await interrupted(operatorWith().operator, { ...own, resume }, 47)
      const found = await topEigenvalues(operatorWith().operator, { ...own, resume, basisFolder: folder })
      expect(found.eigenvalues).toEqual(whole.eigenvalues)
      expect(readdirSync(folder)).toEqual(['state'])
    },
  )

  it('refuses the state of another operator, other options, and another file', async () => {
    const resume = join(temporaryFolder(), 'state')
    await interrupted(operatorWith().operator, { ...options, resume }, 20)
    const refused = async (given: SymmetricOperator, own: EigenvalueOptions, pattern: string) =>
      await expect(topEigenvalues(given, { ...options, ...own, resume })).rejects.toMatchObject({
        code: 'ERR_RECORD',
        message: expect.stringContaining(pattern),
      })
    await refused(operatorWith(1.001).operator, {}, 'another operator')
    await refused(operatorWith(1, 200).operator, {}, 'size 200 (it has 300)')
    await refused(operatorWith().operator, { count: 13 }, 'count 13 (it has 12)')
    await refused(operatorWith().operator, { end: 'smallest' }, 'end smallest')
    await refused(operatorWith().operator, { basisDtype: 'float32' }, 'basisDtype float32')
    await refused(operatorWith().operator, { seed: 1 }, 'seed 1')
    const { writeSafetensors } = await import('../../../src/torch/index.js')
    await writeSafetensors(resume, new Map([['vectors', torch.ones([3])]]))
    await refused(operatorWith().operator, {}, 'another file')
  })

  it('refuses a damaged file, whatever was damaged, and leaves it as it is', async () => {
    const resume = join(temporaryFolder(), 'state')
    await interrupted(operatorWith().operator, { ...options, resume }, 20)
    const good = readFileSync(resume)
    const header = Number(good.readBigUInt64LE(0)) + 8
    const damages: [string, (bytes: Buffer) => Buffer][] = [
      ['cut off', (bytes) => bytes.subarray(0, bytes.length - 100)],
      ['empty', () => Buffer.alloc(0)],
      ...[header, header + 5000, good.length >> 1, good.length - 1].map(
        (at): [string, (bytes: Buffer) => Buffer] => [
          `byte ${at}`,
          (bytes) => {
            const own = Buffer.from(bytes)
            own[at]! ^= 1
            return own
          },
        ],
      ),
    ]
    for (const [, damage] of damages) {
      const bytes = damage(good)
      writeFileSync(resume, bytes)
      await expect(topEigenvalues(operatorWith().operator, { ...options, resume })).rejects.toMatchObject({
        code: 'ERR_DAMAGED_FILE',
      })
      expect(readFileSync(resume).equals(bytes)).toBe(true)
    }
  })

  it('refuses a folder that is not there, and a file that another computation uses', async () => {
    const resume = join(temporaryFolder(), 'state')
    const { operator } = operatorWith()
    await expect(
      topEigenvalues(operator, { ...options, resume: join(temporaryFolder(), 'no', 'state') }),
    ).rejects.toMatchObject({ code: 'ERR_OUTPUT' })
    const both = await Promise.allSettled([1, 2].map(() => topEigenvalues(operator, { ...options, resume })))
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'ERR_LOCKED' } })
    expect(existsSync(`${resume}.lock`)).toBe(false)
  })
})

describe('topEigenvalues with a folder for its basis', () => {
  it('has the same result, and leaves nothing in the folder', async () => {
    const whole = await topEigenvalues(operatorWith().operator, options)
    const folder = temporaryFolder()
    const seen: string[] = []
    const found = await topEigenvalues(operatorWith().operator, {
      ...options,
      basisFolder: folder,
      onProgress: () => seen.push(...readdirSync(folder)),
    })
    expect({ ...found, vectors: null }).toEqual({ ...whole, vectors: null })
    expect(elements(found.vectors)).toEqual(elements(whole.vectors))
    expect([...seen, ...readdirSync(folder)]).toEqual([])
    for (const basisDtype of ['float32', 'bfloat16'] as const) {
      const own = { ...options, basisDtype, maxProducts: 40 }
      const mapped = await topEigenvalues(operatorWith().operator, { ...own, basisFolder: folder })
      expect(mapped.eigenvalues).toEqual((await topEigenvalues(operatorWith().operator, own)).eigenvalues)
    }
    const nowhere = topEigenvalues(operatorWith().operator, { ...options, basisFolder: join(folder, 'no') })
    await expect(nowhere).rejects.toMatchObject({ code: 'ERR_OUTPUT' })
  })
})
