import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../../src/data/index.js'
import {
  imageFolder,
  ScriptModule,
  shiftOnAll,
  shiftOptimum,
  type Tensor,
  torch,
} from '../../../src/index.js'
import { presetNamed } from '../../../src/model/index.js'
import { convolutionLayer } from '../../../src/model/layer/convolution.js'
import { sampleWindows } from '../../../src/shift/layer/convolution-rows.js'
import { dataRoot, fixture } from '../../support/paths.js'
import { randn } from '../../support/random.js'

const largest = (tensor: Tensor) => tensor.abs().max().item()
const code = (expected: string) => expect.objectContaining({ code: expected })

const load = () => ScriptModule.load(fixture('convolutions.traced.pt'))

/** Random float64 images for the module of convolutions. */
function images(size: number): Dataset {
  const all = randn([size, 6, 11, 9], 3, 'float64')
  return {
    name: 'images',
    size,
    classes: ['one'],
    labels: new Int32Array(size),
    load: async (indices) => ({
      images: all.index_select(0, torch.tensor([...indices], { dtype: 'int64' })),
      indices,
      skipped: [],
    }),
  }
}

describe('shiftOptimum of a convolution', () => {
  // [path, windows per image]: fewer windows than inputs, of two images
  it.each([
    ['plain', 12],
    ['strided', 9],
    ['dilated', 12],
    ['grouped', 5],
    ['depthwise', 3],
    ['pointwise', 2],
    ['same', 20],
    ['valid', 8],
  ])('is the projection on the windows that F.unfold gives: %s', async (path, windowsPerImage) => {
    const model = await ScriptModule.load(fixture('convolutions.scripted.pt'))
    const { geometry, inFeatures, outFeatures } = convolutionLayer(model, path)
    const weight = model.namedParameters().get(`${path}.weight`)!
    const before = weight.clone()
    const data = images(2)
    const rank = { policy: 'tolerance', tolerance: 1e-12 } as const
    const record = await shiftOptimum(model, data, {
      layer: path,
      indices: [1, 0],
      windowsPerImage,
      rank,
    })

    const { images: input } = await data.load([1, 0])
    const { kernel, stride, dilation, groups } = geometry
    const [top, bottom, left, right] = geometry.padding
    const padded = input.constant_pad_nd([left, right, top, bottom])
    const unfolded = torch.im2col(padded, [...kernel], [...dilation], [0, 0], [...stride]) // [N, C·kh·kw, L]
    const width = Math.floor((9 + left + right - dilation[1] * (kernel[1] - 1) - 1) / stride[1]) + 1
    const positions = sampleWindows(input, geometry, windowsPerImage, new torch.Generator(0))
    const [image, row, column] = positions.unbind(1) as [Tensor, Tensor, Tensor]
    const rows = unfolded.transpose(1, 2).index([image, row.mul(width).add(column)])
    let moved = 0
    for (let group = 0; group < groups; group++) {
      const a = rows.narrow(1, group * inFeatures, inFeatures)
      const part = (tensor: Tensor) =>
        tensor
          .narrow(0, (group * outFeatures) / groups, outFeatures / groups)
          .reshape([outFeatures / groups, -1])
          .t()
      const expected = torch.linalg_pinv(a, { rtol: 1e-12 }).matmul(a).matmul(part(before))
      expect(largest(part(weight).sub(expected))).toBeLessThan(1e-9)
      moved += largest(part(weight).sub(part(before)))
    }
    expect(moved).toBeGreaterThan(1e-3)
    expect(record).toMatchObject({ layer: path, batchSize: 2, inFeatures: inFeatures * groups })
    expect(record.rank).toBe(Math.min(2 * windowsPerImage, inFeatures) * groups)
    expect(record.normAfter).toBeLessThan(record.normBefore)
  })

  it('keeps the outputs at the windows of its batch in a forward', async () => {
    const [model, other] = [await load(), await load()]
    const data = images(4)
    await shiftOptimum(model, data, {
      layer: 'plain',
      indices: [0, 2],
      windowsPerImage: 10,
      seed: 6,
    })
    const { images: input } = await data.load([0, 2])
    const [now, old] = await Promise.all(
      [model, other].map((m) => torch.noGrad(() => m.forward<Tensor[]>(input))),
    )
    const change = now![0]!.sub(old![0]!)
    const { geometry } = convolutionLayer(other, 'plain')
    const positions = sampleWindows(input, geometry, 10, new torch.Generator(6))
    const [image, row, column] = positions.unbind(1) as [Tensor, Tensor, Tensor]
    expect(largest(change.permute([0, 2, 3, 1]).index([image, row, column]))).toBeLessThanOrEqual(1e-3)
    expect(largest(change)).toBeGreaterThan(1e-2)
  })

  // [path, its place among the model's outputs, windows per image]
  it.each([
    ['plain', 0, 10],
    ['strided', 1, 7],
    ['dilated', 2, 12],
    ['grouped', 3, 4],
    ['depthwise', 4, 3],
    ['valid', 7, 6],
  ] as const)(
    'is certified by what a forward gives at the windows of the other images: %s',
    async (path, place, windowsPerImage) => {
      const [model, other] = [await load(), await load()]
      const data = images(4)
      const options = { layer: path, indices: [0, 2], seed: 6, heldOut: 2 }
      const record = await shiftOptimum(model, data, { ...options, windowsPerImage })
      const { geometry } = convolutionLayer(other, path)
      // In either order of the two images that are held out.
      const expected = await Promise.all(
        [
          [1, 3],
          [3, 1],
        ].map(async (others) => {
          const { images: held } = await data.load(others)
          const [after, before] = await Promise.all(
            [model, other].map((m) => torch.noGrad(() => m.forward<Tensor[]>(held))),
          )
          const places = sampleWindows(held, geometry, windowsPerImage, new torch.Generator(6)).unbind(1)
          const outputs = (all: Tensor[]) => all[place]!.permute([0, 2, 3, 1]).index(places)
          const moved = outputs(after!).sub(outputs(before!)).abs().amax([1])
          return [moved.shape[0]!, moved.max().item(), moved.mean().item()]
        }),
      )
      const { samples, maxLogitChange, meanLogitChange, ...ofClasses } = record.certificate!
      expect(maxLogitChange).toBeGreaterThan(1e-2)
      expect(expected).toContainEqual([
        samples,
        expect.closeTo(maxLogitChange, 9),
        expect.closeTo(meanLogitChange, 9),
      ])
      // A window is no image: of losses and classes nothing is said.
      expect(Object.values(ofClasses)).toEqual([null, null, null, null])
    },
  )

  it.each(['grouped', 'strided'])('does not depend on the memory format of the weight: %s', async (layer) => {
    const [model, other] = await Promise.all(
      [1, 2].map(() => ScriptModule.load(fixture('convolutions.scripted.pt'))),
    )
    await model!.to({ memoryFormat: 'channels_last' })
    const options = { layer, indices: [0, 1], windowsPerImage: 4 }
    for (const one of [model!, other!]) await shiftOptimum(one, images(2), options)
    const [a, b] = [model!, other!].map((m) => m.namedParameters().get(`${layer}.weight`)!)
    expect(a!.stride()).not.toEqual(b!.stride())
    expect(largest(a!.sub(b!))).toBeLessThan(1e-12)
  })

  it('counts images and windows apart, and the classes of the images', async () => {
    const model = await ScriptModule.load(fixture('convolutions.scripted.pt'))
    const data = { ...images(3), classes: ['one', 'other'] }
    expect(await shiftOnAll(model, data, { layer: 'pointwise' })).toMatchObject({
      batchSize: 3,
      rows: { count: 3 * 11 * 9, of: 'windows' },
      unseenClasses: ['other'],
    })
  })

  it('refuses what cannot be shifted', async () => {
    const model = await ScriptModule.load(fixture('convolutions.scripted.pt'))
    for (const layer of ['reflected', 'transposed', 'standardised', 'tied']) {
      await expect(shiftOptimum(model, images(2), { layer })).rejects.toEqual(code('ERR_NOT_SHIFTABLE'))
    }
  })

  it.skipIf(dataRoot === undefined)("shifts SqueezeNet's head, a 1×1 convolution", async () => {
    const model = await ScriptModule.load(`${dataRoot}/checkpoints/squeezenet1_0.ts.pt`)
    const data = await imageFolder(`${dataRoot}/imagenet-sample/val`, presetNamed('squeezenet1_0'))
    const record = await shiftOptimum(model, data, { layer: 'classifier.1', batchSize: 30, heldOut: 20 })
    expect(record).toMatchObject({ layer: 'classifier.1', batchSize: 30, inFeatures: 512, classes: 1000 })
    expect(record.rank).toBeLessThanOrEqual(30 * 8)
    expect(record.normAfter).toBeLessThan(record.normBefore)
    expect(record.rows).toEqual({ count: 30 * 8, of: 'windows' })
    expect(record.certificate!.samples).toBe(20 * 8)
  })
})
