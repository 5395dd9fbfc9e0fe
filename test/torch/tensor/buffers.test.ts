import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'

import { root } from '../../support/paths.js'

const code = (expected: string) => expect.objectContaining({ code: expected })

// biome-ignore lint/suspicious/noExplicitAny: each run prints its own document
async function run(how: string): Promise<any> {
  const script = `${root}/test/fixtures/share_memory.mjs`
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, how])
  return JSON.parse(stdout)
}

describe('torch.fromBuffer', () => {
  it('shares the memory of Buffers, typed arrays and ArrayBuffers', () => {
    const buffer = Buffer.alloc(16)
    const tensor = torch.fromBuffer(buffer, { dtype: 'float32', shape: [2, 2] })
    tensor.fill_(1.5)
    expect(buffer.readFloatLE(12)).toBe(1.5)
    buffer.writeFloatLE(-2, 0)
    expect(tensor.toArray()).toEqual([
      [-2, 1.5],
      [1.5, 1.5],
    ])
    const floats = new Float64Array(4)
    torch.fromBuffer(floats).add_(1)
    expect(floats).toEqual(new Float64Array([1, 1, 1, 1]))
    const shared = new SharedArrayBuffer(8)
    torch.fromBuffer(shared, { dtype: 'int32' }).add_(7)
    expect(new Int32Array(shared)).toEqual(new Int32Array([7, 7]))
    expect(torch.fromBuffer(new DataView(new ArrayBuffer(8), 4)).shape).toEqual([4])
  })

  it('takes the part that byteOffset and shape ask for', () => {
    const numbers = Int16Array.from({ length: 10 }, (_, i) => i)
    const part = (options: object) => torch.fromBuffer(numbers.subarray(1), options).toArray()
    expect(part({ byteOffset: 4, shape: [2, 2] })).toEqual([
      [3, 4],
      [5, 6],
    ])
    expect(part({ byteOffset: 14 })).toEqual([8, 9])
    expect(part({ byteOffset: 18 })).toEqual([])
    expect(part({ shape: [0, 3] })).toEqual([])
  })

  it('refuses what does not fit, is not aligned or may move', () => {
    const bytes = new ArrayBuffer(16)
    const make = (options: object) => () => torch.fromBuffer(bytes, options)
    expect(make({ dtype: 'int32', byteOffset: 2, shape: [1] })).toThrow(code('ERR_ALIGNMENT'))
    expect(make({ dtype: 'complex128', byteOffset: 8, shape: [0] })).not.toThrow()
    expect(make({ dtype: 'int32', byteOffset: 2 })).toThrow(code('ERR_SHAPE'))
    expect(make({ dtype: 'int32', shape: [5] })).toThrow(code('ERR_SHAPE'))
    expect(make({ dtype: 'int32', shape: [-1] })).toThrow(code('ERR_SHAPE'))
    expect(make({ byteOffset: 17 })).toThrow(code('ERR_RANGE'))
    expect(make({ byteOffset: -1 })).toThrow(code('ERR_RANGE'))
    expect(make({ dtype: 'nothing' })).toThrow(code('ERR_DTYPE'))
    const resizable = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]) as ArrayBuffer
    expect(() => torch.fromBuffer(resizable)).toThrow('fixed length')
    const moved = new ArrayBuffer(8)
    structuredClone(moved, { transfer: [moved] })
    expect(() => torch.fromBuffer(moved, { shape: [8] })).toThrow(code('ERR_SHAPE'))
    expect(() => torch.fromBuffer([1] as never)).toThrow(code('ERR_INVALID_ARGUMENT'))
  })

  it('keeps its memory from being transferred away', () => {
    const bytes = new ArrayBuffer(8)
    const tensor = torch.fromBuffer(bytes)
    // Node 20 copies the memory all the same; newer versions refuse.
    let cloned: unknown
    try {
      cloned = structuredClone(bytes, { transfer: [bytes] }).byteLength
    } catch (error) {
      cloned = (error as Error).name
    }
    expect(cloned).toBeOneOf([8, 'DataCloneError'])
    expect(bytes.byteLength).toBe(8)
    if ('transfer' in bytes)
      expect(() => (bytes as { transfer(): unknown }).transfer()).toThrow(code('ERR_BUSY'))
    expect(tensor.add_(1).toArray()).toEqual(new Array(8).fill(1))
  })

  it('keeps the memory as long as any view, and no longer', async () => {
    expect(await run('views')).toEqual({ whileView: true, afterView: false })
  })

  it('lets it go if the lane is the last to hold it', async () => {
    expect(await run('lane')).toEqual({ inFlight: true, after: false })
  })

  it('does not gather memory in a loop that never yields', async () => {
    expect((await run('loop')).peakMegabytes).toBeLessThan(1000) // 3 GB pass through
  })

  it('survives workers that end, or are ended, with such memory in use', async () => {
    expect(await run('workers')).toEqual({ codes: [0, 1, 0, 1] })
  })
})

describe('Tensor.asTypedArray', () => {
  it('shares the memory of the tensor', () => {
    const tensor = torch.zeros([2, 2])
    const array = tensor.asTypedArray<Float32Array>()
    array[3] = 5
    tensor.add_(1)
    expect(array).toEqual(new Float32Array([1, 1, 1, 6]))
    expect(tensor.select(0, 1).asTypedArray()).toEqual(new Float32Array([1, 6]))
    expect(torch.zeros([0]).asTypedArray()).toEqual(new Float32Array(0))
    expect(torch.ones([1], { dtype: 'float16' }).asTypedArray()).toEqual(new Uint16Array([0x3c00]))
  })

  it('keeps the memory when the tensor is gone', async () => {
    expect(await run('typedArray')).toEqual({ total: 380 })
  })

  it('refuses a tensor whose elements do not lie in a row on the CPU, or that needs gradients', () => {
    const refused: [Tensor, string][] = [
      [torch.ones([2, 3]).t(), 'contiguous'],
      [torch.eye(2).to_sparse(), 'sparse'],
      [torch.ones([1], { device: 'meta' }), 'on meta'],
      [torch.ones([1], { dtype: 'complex64' }).conj(), 'conjugate'],
      [torch.ones([1]).requires_grad_(), 'detach()'],
    ]
    for (const [tensor, text] of refused) {
      expect(() => tensor.asTypedArray()).toThrow(code('ERR_NOT_VIEWABLE'))
      expect(() => tensor.asTypedArray()).toThrow(text)
    }
    expect(torch.noGrad(() => torch.ones([1]).requires_grad_().detach()).asTypedArray()[0]).toBe(1)
  })
})

describe('copies of the elements', () => {
  it('are bytes, in row-major order', () => {
    const tensor = torch.tensor(new Int16Array([1, 2, 3, 4]), { shape: [2, 2] }).t()
    expect(new Int16Array(tensor.toArrayBuffer())).toEqual(new Int16Array([1, 3, 2, 4]))
    expect(tensor.toBuffer()).toEqual(Buffer.from([1, 0, 3, 0, 2, 0, 4, 0]))
    tensor.fill_(0)
    expect(torch.tensor(tensor.toTypedArray()).toArray()).toEqual([0, 0, 0, 0])
  })

  it('are taken from a SharedArrayBuffer too', () => {
    const shared = new Float32Array(new SharedArrayBuffer(8))
    const tensor = torch.tensor(shared)
    shared[0] = 1
    expect(tensor.toArray()).toEqual([0, 0])
  })
})
