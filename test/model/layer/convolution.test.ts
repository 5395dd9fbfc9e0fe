import { describe, expect, it } from 'vitest'
import { ScriptModule } from '../../../src/index.js'

import { convolutionLayer, convolutionLayers } from '../../../src/model/layer/convolution.js'
import { dataRoot, fixture } from '../../support/paths.js'

const plain = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 }

/** As test/fixtures/networks.py sets them. */
const known = {
  plain: [54, 8, { ...plain, kernel: [3, 3] }],
  strided: [36, 4, { ...plain, kernel: [3, 2], stride: [2, 1], padding: [1, 1, 0, 0] }],
  dilated: [54, 4, { ...plain, kernel: [3, 3], padding: [2, 2, 2, 2], dilation: [2, 1] }],
  grouped: [18, 9, { ...plain, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 3 }],
  depthwise: [9, 12, { ...plain, kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1], groups: 6 }],
  pointwise: [6, 5, { ...plain, kernel: [1, 1] }],
  same: [72, 4, { ...plain, kernel: [4, 3], padding: [1, 2, 2, 2], dilation: [1, 2] }],
  valid: [30, 4, { ...plain, kernel: [2, 5], groups: 2 }],
  twice: [54, 6, { ...plain, kernel: [3, 3], padding: [1, 1, 1, 1] }],
} as const

describe.each(['scripted', 'traced'])('the convolutions of a %s module', (form) => {
  const load = () => ScriptModule.load(fixture(`convolutions.${form}.pt`))

  it('are those that can be shifted, with their geometry', async () => {
    const layers = convolutionLayers(await load())
    expect(layers).toEqual(
      Object.entries(known).map(([path, [inFeatures, outFeatures, geometry]]) => ({
        path,
        inFeatures,
        outFeatures,
        hasBias: path !== 'strided',
        geometry,
      })),
    )
  })

  it.each([
    ['reflected', /changes its input first by aten::pad, padding mode 'reflect'/],
    ['transposed', /transposed/],
    ['line', /1-d/],
    ['volume', /3-d/],
    ['standardised', /computed at run time by aten::sub/],
    ['tied', /tied/],
    ['alike', /tied/],
    ['shown', /tied/],
  ])('are refused with the reason: %s', async (path, reason) => {
    const model = await load()
    const refused = () => convolutionLayer(model, path)
    expect(refused).toThrow(expect.objectContaining({ code: 'ERR_NOT_SHIFTABLE' }))
    expect(refused).toThrow(reason)
  })
})

describe('convolutionLayer', () => {
  it.each(['resnet18.scripted', 'resnet18.traced'])('finds those of %s', async (name) => {
    const layers = convolutionLayers(await ScriptModule.load(fixture(`${name}.pt`)))
    expect(layers).toHaveLength(20)
    expect(layers[0]).toEqual({
      path: 'conv1',
      inFeatures: 147,
      outFeatures: 64,
      hasBias: false,
      geometry: { ...plain, kernel: [7, 7], stride: [2, 2], padding: [3, 3, 3, 3] },
    })
    // Of a block the projection comes after both convolutions of its own.
    expect(layers.map(({ path }) => path).slice(5, 8)).toEqual([
      'layer2.0.conv1',
      'layer2.0.conv2',
      'layer2.0.downsample.0',
    ])
  })

  it.each(['shufflenet_v2_x1_0.scripted', 'shufflenet_v2_x1_0.traced'])('finds those of %s', async (name) => {
    const model = await ScriptModule.load(fixture(`${name}.pt`))
    expect(convolutionLayers(model)).toHaveLength(56)
    expect(convolutionLayer(model)).toMatchObject({ path: 'conv5.0', inFeatures: 464, outFeatures: 1024 })
    expect(convolutionLayer(model, 'stage3.1.branch2.3')).toMatchObject({
      inFeatures: 9,
      outFeatures: 116,
      geometry: { ...plain, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 116 },
    })
  })

  it('finds those of ResNeXt, whose groups are larger than one channel', async () => {
    const model = await ScriptModule.load(fixture('resnext50_32x4d.scripted.pt'))
    expect(convolutionLayer(model, 'layer1.0.conv2')).toMatchObject({
      inFeatures: 36,
      outFeatures: 128,
      geometry: { ...plain, kernel: [3, 3], padding: [1, 1, 1, 1], groups: 32 },
    })
  })

  it.skipIf(dataRoot === undefined)('is the head of SqueezeNet', async () => {
    const model = await ScriptModule.load(`${dataRoot}/checkpoints/squeezenet1_0.ts.pt`)
    expect(convolutionLayers(model)).toHaveLength(26)
    expect(convolutionLayer(model)).toEqual({
      path: 'classifier.1',
      inFeatures: 512,
      outFeatures: 1000,
      hasBias: true,
      geometry: { ...plain, kernel: [1, 1] },
    })
  })

  it('refuses what is no convolution, what is not there, and modules that have none', async () => {
    const code = (expected: string) => expect.objectContaining({ code: expected })
    const model = await ScriptModule.load(fixture('resnet18.scripted.pt'))
    expect(() => convolutionLayer(model, 'fc')).toThrow(code('ERR_NOT_CONVOLUTION'))
    expect(() => convolutionLayer(model, 'layer1')).toThrow(code('ERR_NOT_CONVOLUTION'))
    expect(() => convolutionLayer(model, 'layer1.0.conv3')).toThrow(/did you mean 'layer1.0.conv/)
    const plainNet = await ScriptModule.load(fixture('mlp.scripted.pt'))
    expect(() => convolutionLayer(plainNet)).toThrow(code('ERR_NO_CONVOLUTION'))
    const frozen = await ScriptModule.load(fixture('resnet18.frozen.pt'))
    expect(() => convolutionLayer(frozen)).toThrow(code('ERR_FROZEN'))
  })
})
