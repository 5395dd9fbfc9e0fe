import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { type ConvolutionGeometry, convolutionLayers } from '../../../src/model/layer/convolution.js'
import {
  convolutionRows,
  groupMatrix,
  outputSize,
  sampleWindows,
  weightOfGroups,
} from '../../../src/shift/layer/convolution-rows.js'
import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const shape = [3, 6, 11, 9]
const flat = (tensor: Tensor) => tensor.reshape([-1]).toTypedArray<Float64Array>()
const largest = (tensor: Tensor) => tensor.abs().max().item()
const groups = (count: number) => Array.from({ length: count }, (_, group) => group)

/** [rows, n] of all groups → [N, n, H, W]. */
function asImages(logits: Tensor[], input: Tensor, geometry: ConvolutionGeometry): Tensor {
  const [height, width] = outputSize(input, geometry)
  return torch
    .cat(logits, 1)
    .reshape([-1, height, width, logits.length * logits[0]!.shape[1]!])
    .permute([0, 3, 1, 2])
}

describe('convolutionRows', () => {
  let model: ScriptModule
  // biome-ignore lint/suspicious/noExplicitAny: what the reference prints
  let python: any
  const x = randn(shape, 5, 'float64')
  beforeAll(async () => {
    const path = fixture('convolutions.scripted.pt')
    model = await ScriptModule.load(path)
    const layers = convolutionLayers(model).map((layer) => layer.path)
    python = await reference('convolution', { model: path, shape, seed: 5, layers })
  })

  it.each(['plain', 'strided', 'dilated', 'grouped', 'depthwise', 'pointwise', 'same', 'valid'])(
    "make a linear layer of '%s': rows and outputs are Python's",
    (path) => {
      const { geometry, hasBias, outFeatures } = convolutionLayers(model).find(
        (layer) => layer.path === path,
      )!
      const weight = model.namedParameters().get(`${path}.weight`)!.detach()
      const bias = hasBias
        ? model.namedParameters().get(`${path}.bias`)!.detach()
        : torch.zeros([outFeatures], { dtype: 'float64' })
      const logits = groups(geometry.groups).map((group) => {
        const rows = convolutionRows(x, geometry, { group })
        expect(largestDifference(flat(rows), python[path].rows[group])).toBe(0)
        return rows
          .matmul(groupMatrix(weight, geometry.groups, group))
          .add(bias.chunk(geometry.groups)[group]!)
      })
      expect(largestDifference(flat(asImages(logits, x, geometry)), python[path].output)).toBeLessThan(1e-13)
    },
  )

  it('does not depend on how the images lie in memory, and takes a single image', () => {
    for (const { geometry } of convolutionLayers(model)) {
      const rows = convolutionRows(x, geometry)
      const channelsLast = x.contiguous({ memory_format: 'channels_last' })
      expect(largest(convolutionRows(channelsLast, geometry).sub(rows))).toBe(0)
      const last = convolutionRows(x.select(0, 2), geometry)
      expect(largest(last.sub(rows.narrow(0, rows.shape[0]! - last.shape[0]!, last.shape[0]!)))).toBe(0)
    }
  })

  it('refuses an invalid geometry', () => {
    const { geometry } = convolutionLayers(model)[0]!
    for (const wrong of [
      { kernel: [3, 0] },
      { stride: [0, 1] },
      { dilation: [1, 1.5] },
      { padding: [0, 0, -1, 0] },
      { groups: 0 },
      { stride: 2 },
    ]) {
      const given = { ...geometry, ...wrong } as ConvolutionGeometry
      const [name] = Object.keys(wrong)
      expect(() => convolutionRows(x, given)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(name!) }),
      )
    }
  })

  it('puts a weight together from the matrices of its groups', () => {
    const weight = randn([9, 2, 3, 3], 4)
    const matrices = groups(3).map((group) => groupMatrix(weight, 3, group))
    expect(weightOfGroups(matrices, weight.shape).equal(weight)).toBe(true)
  })
})

const geometries = fc
  .record({
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    padding: fc.tuple(fc.nat(2), fc.nat(2)),
    dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    groups: fc.constantFrom(1, 2, 4),
    images: fc.integer({ min: 1, max: 3 }),
    seed: fc.nat(1000),
    taken: fc.integer({ min: 1, max: 100 }),
  })
  .map(({ padding: [height, width], ...others }) => ({
    ...others,
    padding: [height, height, width, width] as const,
  }))

describe('any geometry', () => {
  it('makes rows whose products are libtorch’s convolution', () => {
    fc.assert(
      fc.property(geometries, ({ images, seed, taken: _, ...geometry }) => {
        const input = randn([images, 4, 8, 9], seed, 'float64')
        const weight = randn([8, 4 / geometry.groups, ...geometry.kernel], seed + 1, 'float64')
        const { padding, stride, dilation } = geometry
        const expected = torch.conv2d(
          input,
          weight,
          null,
          [...stride],
          [padding[0], padding[2]],
          [...dilation],
          geometry.groups,
        )
        const logits = groups(geometry.groups).map((group) =>
          convolutionRows(input, geometry, { group }).matmul(groupMatrix(weight, geometry.groups, group)),
        )
        expect(largest(asImages(logits, input, geometry).sub(expected))).toBeLessThan(1e-12)
      }),
    )
  })

  it('gives samples that are rows of the whole, each once, as many of each image, the same for one seed', () => {
    fc.assert(
      fc.property(geometries, ({ images, seed, taken, ...geometry }) => {
        const input = randn([images, 4, 8, 9], seed, 'float64')
        const [height, width] = outputSize(input, geometry)
        const positions = sampleWindows(input, geometry, taken, new torch.Generator(seed))
        const again = sampleWindows(input, geometry, taken, new torch.Generator(seed))
        expect(again.equal(positions)).toBe(true)
        const places = positions.toTypedArray<BigInt64Array>()
        const indices = Array.from({ length: positions.shape[0]! }, (_, i) => {
          const [image, row, column] = [0, 1, 2].map((k) => Number(places[3 * i + k]))
          expect(row! < height && column! < width).toBe(true)
          return (image! * height + row!) * width + column!
        })
        expect(new Set(indices).size).toBe(indices.length)
        expect(indices).toHaveLength(images * Math.min(taken, height * width))
        const group = geometry.groups - 1
        const sampled = convolutionRows(input, geometry, { group, positions })
        const whole = convolutionRows(input, geometry, { group })
        const picked = whole.index_select(0, torch.tensor(indices, { dtype: 'int64' }))
        expect(sampled.equal(picked)).toBe(true)
      }),
    )
  })

  it('draws as torch.randperm does, image after image, and takes all in their order if there are no more', () => {
    const geometry: ConvolutionGeometry = {
      kernel: [1, 1],
      stride: [1, 1],
      padding: [0, 0, 0, 0],
      dilation: [1, 1],
      groups: 1,
    }
    const input = torch.zeros([2, 1, 2, 3])
    const all = [0, 1].flatMap((image) =>
      [0, 1].flatMap((row) => [0, 1, 2].map((column) => [image, row, column])),
    )
    for (const windows of [6, 99]) {
      expect(sampleWindows(input, geometry, windows, new torch.Generator(3)).toArray()).toEqual(all)
    }
    const generator = new torch.Generator(3)
    const drawn = [0, 1].flatMap((image) => {
      const pixels = (torch.randperm(6, { generator }).toArray() as number[]).slice(0, 4)
      return pixels.map((pixel) => [image, Math.floor(Number(pixel) / 3), Number(pixel) % 3])
    })
    expect(sampleWindows(input, geometry, 4, new torch.Generator(3)).toArray()).toEqual(drawn)
    expect(() => sampleWindows(input, geometry, 0, new torch.Generator(3))).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    )
  })
})
