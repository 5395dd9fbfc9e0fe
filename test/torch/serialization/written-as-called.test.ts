import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { hvp, loadStateDict, ScriptModule, saveStateDict, type Tensor, torch } from '../../../src/index.js'
import { GramAccumulator, rowSpace, solveShift, TsqrAccumulator } from '../../../src/shift/index.js'
import { jvp, readSafetensors, vjp, writeSafetensors } from '../../../src/torch/index.js'

import { readCheckpoint, writeCheckpoint } from '../../../src/train/checkpoint.js'
import { demoModel } from '../../support/paths.js'

const folder = mkdtempSync(join(tmpdir(), 'sos-written-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const code = (code: string) => expect.objectContaining({ code })

/** What the tensor holds now is what a write that has been called has: a write to it is refused, or comes later. */
async function overwrite(tensor: Tensor): Promise<void> {
  expect(() => torch.noGrad(() => tensor.zero_())).toThrow(code('ERR_BUSY'))
  await torch.noGrad(() => torch.async.zero_(tensor))
  expect(tensor.abs().sum().item()).toBe(0)
}

describe('what is written is what there was at the call', () => {
  it('by save()', async () => {
    const model = await ScriptModule.load(demoModel)
    const bias = model.namedParameters().get('fc.bias')!
    const before = bias.toArray()
    const saving = model.save(`${folder}/model.pt`)
    expect(() => model.train()).toThrow(code('ERR_BUSY'))
    await overwrite(bias)
    await saving
    const saved = await ScriptModule.load(`${folder}/model.pt`)
    expect(saved.namedParameters().get('fc.bias')!.toArray()).toEqual(before)
  })

  it.each(['weights.safetensors', 'weights.pth'])('by saveStateDict() to %s', async (name) => {
    const weights = new Map([
      ['a', torch.ones([3])],
      ['b', torch.full([1000], 2)],
    ])
    const writing = saveStateDict(`${folder}/${name}`, weights)
    await overwrite(weights.get('b')!)
    await writing
    const read = await loadStateDict(`${folder}/${name}`)
    expect([read.get('a')!.sum().item(), read.get('b')!.sum().item()]).toEqual([3, 2000])
  })

  it('after what was submitted before', async () => {
    const weight = torch.ones([100])
    const adding = torch.async.add_(weight, 1)
    await writeSafetensors(`${folder}/added.safetensors`, new Map([['w', weight]]))
    await adding
    const { tensors } = await readSafetensors(`${folder}/added.safetensors`)
    expect(tensors.get('w')!.sum().item()).toBe(200)
  })

  it('by a training checkpoint in a folder that there is not yet', async () => {
    const weight = torch.ones([100])
    const state = {
      epoch: 0,
      batch: 0,
      step: 1,
      learningRate: 0.1,
      sums: { loss: 0, correct: 0, images: 0 },
      events: {},
      extra: {},
    }
    const tensors = new Map([['model.w', weight]])
    const writing = writeCheckpoint(`${folder}/run/checkpoints`, { run: {}, threads: 1, state, tensors }, 1)
    await overwrite(weight)
    const { tensors: read } = await readCheckpoint(await writing, {})
    expect(read.get('model.w')!.sum().item()).toBe(100)
  })
})

describe('what is read is what there was at the call', () => {
  it.each(['bytes.safetensors', 'bytes.pth'])('of the bytes of a file (%s)', async (name) => {
    await saveStateDict(`${folder}/${name}`, new Map([['w', torch.full([1000], 3)]]))
    const bytes = await readFile(`${folder}/${name}`)
    const reading = loadStateDict(bytes)
    bytes.fill(0)
    expect((await reading).get('w')!.sum().item()).toBe(3000)
  })

  it('of the bytes of a model', async () => {
    const bytes = await readFile(demoModel)
    const loading = ScriptModule.load(bytes)
    bytes.fill(0)
    expect((await loading).parameters().length).toBeGreaterThan(0)
  })
})

describe('what a function continues to read after its first wait', () => {
  /** Nobody writes to `tensor`, at once or on the lane, until the call is done; then it is as every other. */
  async function held<T>(tensor: Tensor, call: () => Promise<T>): Promise<T> {
    const pending = call()
    expect(() => tensor.zero_()).toThrow(code('ERR_BUSY'))
    await expect(torch.async.zero_(tensor)).rejects.toThrow(code('ERR_BUSY'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(tensor.abs().sum().item()).not.toBe(0)
    const result = await pending
    tensor.zero_()
    return result
  }

  it('is held: the vector of hvp()', async () => {
    const x = torch.tensor([1, 2]).requires_grad_()
    const vector = torch.tensor([1, 1])
    const [product] = await held(vector, () => hvp(x.pow(3).sum(), [x], [vector]))
    expect(product!.toArray()).toEqual([6, 12]) // 6 x v
  })

  it.each([
    ['vjp', vjp],
    ['jvp', jvp],
  ])('is held: the vector of %s()', async (_, product) => {
    const vector = torch.tensor([1, 10])
    const squares = (y: Tensor) => Promise.resolve(y.square())
    const computed = await held(vector, () => product(squares, [torch.tensor([1, 2])], [vector]))
    expect(computed.product[0]!.toArray()).toEqual([2, 40]) // 2 x v
  })

  it('is let go if the function fails', async () => {
    const vector = torch.ones([2])
    await expect(hvp(torch.ones([]), [torch.ones([2])], [vector])).rejects.toThrow(code('ERR_TORCH'))
    expect(vector.zero_().sum().item()).toBe(0)
  })

  it('is held: the rows of a solve, and of what is accumulated', async () => {
    const a = torch.eye(3, { dtype: 'float64' }).narrow(0, 0, 2).contiguous()
    const v = torch.ones([3, 2], { dtype: 'float64' })
    expect((await held(a, () => rowSpace(a))).rank).toBe(2)
    const b = torch.eye(3, { dtype: 'float64' }).narrow(0, 0, 2).contiguous()
    const { weight } = await held(b, () => solveShift(b, v, null))
    expect(weight.toArray()).toEqual([
      [1, 1],
      [1, 1],
      [0, 0],
    ])
    const rows = torch.ones([4, 3], { dtype: 'float64' })
    const gram = new GramAccumulator(3)
    await held(rows, () => gram.add(rows))
    expect(gram.gram().sum().item()).toBe(36)
    rows.fill_(1)
    const tsqr = new TsqrAccumulator(3)
    await held(rows, () => tsqr.add(rows))
    expect((await tsqr.factor()).square().sum().item()).toBeCloseTo(16, 10)
  })
})
