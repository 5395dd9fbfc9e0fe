import { describe, expect, it } from 'vitest'
import { torch } from '../../src/index.js'
import { binding } from '../../src/torch/native/binding.js'
import type { NativePreprocess } from '../../src/torch/native/structures.js'
import { handleOf } from '../../src/torch/tensor/tensor.js'

const code = (code: string) => expect.objectContaining({ code })
const recipe: NativePreprocess = { resize: 0, bicubic: false, crop: 2, mean: [0, 0, 0], std: [1, 1, 1] }

/** The addon itself, past TypeScript's checks: what does not fit is refused, and never read or written out of bounds. */
describe('the native side of images', () => {
  it.each([
    { mean: [] },
    { std: [] },
    { mean: [0, 0] },
    { std: [1, 1, 0] },
    { std: [1, 1, Number.NaN] },
    { mean: [0, 0, Number.POSITIVE_INFINITY] },
    { resize: -1 },
    { resize: Number.NaN },
    { crop: 1.5 },
    { crop: 1e9 },
  ])('refuses the recipe %j', (change) => {
    const images = handleOf(torch.zeros([1, 3, 4, 4], { dtype: 'uint8' }))
    const refused = /^ERR_(PREPROCESS|INVALID_ARGUMENT)$/
    const call = () => binding.preprocessImages(images, { ...recipe, ...change })
    expect(call).toThrow(expect.objectContaining({ code: expect.stringMatching(refused) }))
  })

  it.each([
    [[4, 4, 3], 47],
    [[4, 4, 3], 49],
    [[4, 4], 16],
    [[-4, -4, 3], 48],
    [[0, 4, 3], 0],
    [[4, 4, 2], 32],
    [[2 ** 31, 2 ** 31, 3], 48],
    [[2 ** 62, 4, 3], 48],
  ])('refuses bytes that are not those of %j', (shape, length) => {
    const batch = handleOf(torch.zeros([1, 3, 2, 2]))
    const call = () => binding.preprocessBytes(new Uint8Array(length), shape, recipe, batch, 0)
    expect(call).toThrow(code('ERR_SHAPE'))
  })

  it.each([1, -2, Number.NaN, 0.5])('refuses row %d of a batch of one', (row) => {
    const batch = handleOf(torch.zeros([1, 3, 2, 2]))
    expect(() => binding.preprocessBytes(new Uint8Array(48), [4, 4, 3], recipe, batch, row)).toThrow()
    expect(() => binding.loadJpeg('none.jpg', recipe, batch, row)).toThrow()
  })

  it('refuses a batch of another shape or dtype', async () => {
    for (const batch of [
      torch.zeros([1, 3, 2, 3]),
      torch.zeros([1, 3, 2, 2], { dtype: 'float64' }),
      torch.zeros([1, 1, 2, 2]),
    ]) {
      const bytes = new Uint8Array(48)
      await expect(binding.preprocessBytes(bytes, [4, 4, 3], recipe, handleOf(batch), 0)).rejects.toThrow(
        code('ERR_INVALID_ARGUMENT'),
      )
    }
  })
})

describe('the native side of buffers', () => {
  it.each([
    [[5], 16],
    [[-1], 16],
    [[2 ** 40, 2 ** 40], 16],
    [[2 ** 62], 16],
  ])('refuses the shape %j of %d bytes', (shape, length) => {
    expect(() => binding.tensorFromBuffer(new Uint8Array(length), 'float32', shape, 1)).toThrow(
      code('ERR_SHAPE'),
    )
  })
})
