import { beforeAll, describe, expect, it } from 'vitest'
import { checkpointRecord, evaluate, imageFolder, preprocessOf, ScriptModule } from '../../src/index.js'
import { presetNamed } from '../../src/model/index.js'
import { linearLayer } from '../../src/shift/index.js'

import { efficientNetLite } from '../support/efficientnet-lite.js'
import { dataRoot } from '../support/paths.js'
import { reference } from '../support/python.js'
import { differences } from '../support/tensors.js'

describe.skipIf(dataRoot === undefined)('EfficientNet-Lite0 with its ImageNet weights', () => {
  const folder = `${dataRoot}/imagenet-sample/val`
  let file: string | null
  beforeAll(async () => {
    file = await efficientNetLite()
  }, 300_000)

  it("is exported with its preprocessing, and predicts what Pillow's pipeline does", async ({ skip }) => {
    if (file === null) return skip()
    const model = await ScriptModule.load(file)
    expect(linearLayer(model)).toEqual({ path: '_fc', inFeatures: 1280, outFeatures: 1000, hasBias: true })
    const recipe = checkpointRecord(model)!.preprocess
    const result = await evaluate(model, await imageFolder(folder, recipe))
    const python = await reference('image_folder', { model: file, folder, ...recipe })
    // On 300 photographs of ImageNet, of the 1000 for which 88.3 and 97.6 % are known.
    expect([result.top1, result.top5!].map((value) => value.toFixed(2))).toEqual(['87.67', '96.33'])
    expect(differences(result.predictions, python.predictions)).toBeLessThanOrEqual(1)
  }, 300_000)

  it("loses many points with torchvision's mean and deviation: there is no default to guess", async ({
    skip,
  }) => {
    if (file === null) return skip()
    const model = await ScriptModule.load(file)
    const { mean, std } = presetNamed('efficientnet_b0')
    const wrong = await evaluate(model, await imageFolder(folder, { ...preprocessOf(model), mean, std }))
    expect(wrong.top1).toBeGreaterThan(87.67 - 14)
    expect(wrong.top1).toBeLessThan(87.67 - 5)
  }, 300_000)
})
