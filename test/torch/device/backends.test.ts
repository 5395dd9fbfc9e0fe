import { afterEach, describe, expect, it } from 'vitest'
import { torch } from '../../../src/index.js'

import { reference } from '../../support/python.js'

const index = () => torch.tensor([0], { dtype: 'int64' })
const operators = {
  put_: () => torch.zeros([3]).put_(index(), torch.ones([1])),
  max_unpool2d: () => torch.max_unpool2d(torch.ones([1, 1, 1]), index().reshape([1, 1, 1]), [2, 2]),
  index_add: () => torch.zeros([3]).index_add(0, index(), torch.ones([1])),
}

afterEach(() => torch.useDeterministicAlgorithms(false))

describe('switches', () => {
  it("begin and act as Python's", async () => {
    const python = await reference('determinism')
    const { cuda, cudnn, mkldnn } = torch.backends
    expect({
      'cuda.matmul.allowTF32': cuda.matmul.allowTF32,
      'cudnn.enabled': cudnn.enabled,
      'cudnn.allowTF32': cudnn.allowTF32,
      'cudnn.benchmark': cudnn.benchmark,
      'cudnn.deterministic': cudnn.deterministic,
      'mkldnn.enabled': mkldnn.enabled,
      'mkldnn.deterministic': mkldnn.deterministic,
    }).toEqual(python.defaults)
    expect(torch.getFloat32MatmulPrecision()).toBe(python.precision)
    torch.setFloat32MatmulPrecision('high')
    const high = cuda.matmul.allowTF32
    torch.setFloat32MatmulPrecision('highest')
    expect([high, cuda.matmul.allowTF32]).toEqual(python.follows)

    torch.useDeterministicAlgorithms(true)
    const errors: Record<string, string> = {}
    for (const [name, call] of Object.entries(operators)) {
      try {
        call()
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_TORCH' })
        errors[name] = (error as Error).message
      }
    }
    expect(errors).toEqual(python.errors)
    expect(Object.keys(errors)).toEqual(['put_', 'max_unpool2d'])
    expect(torch.empty([2]).isnan().all().item() === 1).toBe(python.filled)
  })

  it('can each be set and read', () => {
    for (const group of [torch.backends.cuda.matmul, torch.backends.cudnn, torch.backends.mkldnn] as Record<
      string,
      boolean
    >[]) {
      for (const name of Object.keys(group)) {
        const before = group[name]!
        group[name] = !before
        expect(group[name]).toBe(!before)
        group[name] = before
        expect(group[name]).toBe(before)
      }
    }
    for (const precision of ['medium', 'high', 'highest'] as const) {
      torch.setFloat32MatmulPrecision(precision)
      expect(torch.getFloat32MatmulPrecision()).toBe(precision)
    }
  })

  it('refuse what they cannot take', () => {
    const invalid = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    expect(() => torch.setFloat32MatmulPrecision('low' as 'high')).toThrow(invalid)
    expect(() => {
      torch.backends.cudnn.benchmark = 1 as unknown as boolean
    }).toThrow(invalid)
    expect(() => Object.assign(torch.backends.cudnn, { benchmrk: true })).toThrow(TypeError)
  })
})

describe('useDeterministicAlgorithms', () => {
  it('holds off the event loop too, and only warns on request', async () => {
    const put = () => torch.async.put_(torch.zeros([3]), index(), torch.ones([1]))
    torch.useDeterministicAlgorithms(true)
    expect([
      torch.areDeterministicAlgorithmsEnabled(),
      torch.isDeterministicAlgorithmsWarnOnlyEnabled(),
    ]).toEqual([true, false])
    await expect(put()).rejects.toThrow('put_ does not have a deterministic implementation')
    torch.useDeterministicAlgorithms(true, { warnOnly: true })
    expect(torch.isDeterministicAlgorithmsWarnOnlyEnabled()).toBe(true)
    expect((await put()).toArray()).toEqual([1, 0, 0])
    torch.useDeterministicAlgorithms(false)
    expect(torch.areDeterministicAlgorithmsEnabled()).toBe(false)
  })
})
