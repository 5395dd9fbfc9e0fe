import { beforeAll, expect, it } from 'vitest'
import { type Dataset, ScriptModule, torch } from '../../src/index.js'
import { certifyDrift, DriftSums } from '../../src/shift/certificates.js'
import { measureDrift } from '../../src/shift/drift.js'
import {
  applyShift,
  captureRows,
  drawBatch,
  projectOnRowSpace,
  rowSpace,
  runStudy,
  type ShiftableLayer,
  shiftableLayer,
  shiftLayers,
  shiftOnAll,
  shiftOptimum,
  solveShift,
} from '../../src/shift/index.js'
import {
  convolutionRows,
  groupMatrix,
  outputSize,
  sampleWindows,
  weightOfGroups,
} from '../../src/shift/layer/convolution-rows.js'
import { GramAccumulator, rowSpaceOfGram, spectrumOfGram } from '../../src/shift/solve/gram.js'
import { cutAt, driftBoundAt, driftBounds } from '../../src/shift/solve/spectrum.js'
import { StreamedSolve } from '../../src/shift/solve/streamed-solve.js'
import { rowSpaceOfTsqr, spectrumOfTsqr, TsqrAccumulator } from '../../src/shift/solve/tsqr.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { geometry } from '../support/slips.js'

const eye = torch.eye(2, { dtype: 'float64' })
const map = { weight: eye, bias: null }
const spectrum = { directions: eye, singularValues: [1, 1], uncertainty: 0 }
const space = { basis: eye, rank: 2, singularValues: [1, 1], filter: null }
const data = vectors(12)
const image = torch.zeros([1, 1, 2, 2])
const gram = () => new GramAccumulator(2)
const tsqr = () => new TsqrAccumulator(2)
let model: ScriptModule
let layer: ShiftableLayer
beforeAll(async () => {
  model = await ScriptModule.load(fixture('mlp.scripted.pt'))
  layer = shiftableLayer(model)
})

// [function, argument, call with the wrong thing in its place]
const calls: [string, string, (wrong: never) => unknown][] = [
  ['measureDrift', 'a', (wrong) => measureDrift(wrong, map, map)],
  ['measureDrift', 'a linear map', (wrong) => measureDrift(eye, wrong, map)],
  ['measureDrift', 'its weight', (wrong) => measureDrift(eye, map, { weight: wrong, bias: null })],
  ['measureDrift', 'its bias', (wrong) => measureDrift(eye, map, { weight: eye, bias: wrong })],
  ['certifyDrift', 'drift', (wrong) => certifyDrift(wrong)],
  ['DriftSums', 'before', (wrong) => new DriftSums(wrong, [map])],
  ['DriftSums', 'after', (wrong) => new DriftSums([map], wrong)],
  ['DriftSums', 'a linear map', (wrong) => new DriftSums([map], [wrong])],
  ['DriftSums.add', 'rows', (wrong) => new DriftSums([map], [map]).add(wrong)],
  ['captureRows', 'model', (wrong) => captureRows(wrong, layer, data, [0])],
  ['captureRows', 'layer', (wrong) => captureRows(model, wrong, data, [0])],
  ['captureRows', 'dataset', (wrong) => captureRows(model, layer, wrong, [0])],
  ['captureRows', 'options', (wrong) => captureRows(model, layer, data, [0], wrong)],
  ['drawBatch', 'dataset', (wrong) => drawBatch(wrong, layer)],
  ['shiftOnAll', 'model', (wrong) => shiftOnAll(wrong, data)],
  ['shiftOnAll', 'dataset', (wrong) => shiftOnAll(model, wrong)],
  ['shiftOnAll', 'options', (wrong) => shiftOnAll(model, data, wrong)],
  ['shiftOptimum', 'model', (wrong) => shiftOptimum(wrong, data)],
  ['shiftOptimum', 'dataset', (wrong) => shiftOptimum(model, wrong)],
  ['shiftOptimum', 'options', (wrong) => shiftOptimum(model, data, wrong)],
  ['shiftLayers', 'model', (wrong) => shiftLayers(wrong, data, ['2'])],
  ['shiftLayers', 'layers', (wrong) => shiftLayers(model, data, wrong)],
  ['shiftLayers', 'options', (wrong) => shiftLayers(model, data, ['2'], wrong)],
  ['applyShift', 'model', (wrong) => applyShift(wrong, layer, data, { ...batch(), rows: [eye] })],
  ['applyShift', 'layer', (wrong) => applyShift(model, wrong, data, { ...batch(), rows: [eye] })],
  ['applyShift', 'dataset', (wrong) => applyShift(model, layer, wrong, { ...batch(), rows: [eye] })],
  ['applyShift', 'batch', (wrong) => applyShift(model, layer, data, wrong)],
  ['applyShift', 'batch.rows', (wrong) => applyShift(model, layer, data, { ...batch(), rows: wrong })],
  [
    'applyShift',
    'batch.seed',
    (wrong) => applyShift(model, layer, data, { ...batch(), seed: wrong, rows: [eye] }),
  ],
  ['applyShift', 'options', (wrong) => applyShift(model, layer, data, { ...batch(), rows: [eye] }, wrong)],
  ['shiftableLayer', 'model', (wrong) => shiftableLayer(wrong)],
  ['outputSize', 'input', (wrong) => outputSize(wrong, geometry({}))],
  ['outputSize', 'geometry', (wrong) => outputSize(image, wrong)],
  ['convolutionRows', 'input', (wrong) => convolutionRows(wrong, geometry({}))],
  ['convolutionRows', 'geometry', (wrong) => convolutionRows(image, wrong)],
  ['convolutionRows', 'options', (wrong) => convolutionRows(image, geometry({}), wrong)],
  ['convolutionRows', 'group', (wrong) => convolutionRows(image, geometry({}), { group: wrong })],
  ...(['kernel', 'stride', 'dilation', 'padding', 'groups'] as const).flatMap(
    (name): [string, string, (wrong: never) => unknown][] => [
      ['convolutionRows', name, (wrong) => convolutionRows(image, geometry({ [name]: wrong }))],
      ['outputSize', name, (wrong) => outputSize(image, geometry({ [name]: wrong }))],
    ],
  ),
  [
    'sampleWindows',
    'windowsPerImage',
    (wrong) => sampleWindows(image, geometry({}), wrong, new torch.Generator(0)),
  ],
  ['groupMatrix', 'weight', (wrong) => groupMatrix(wrong, 1)],
  ['groupMatrix', 'groups', (wrong) => groupMatrix(eye, wrong)],
  ['groupMatrix', 'group', (wrong) => groupMatrix(eye, 1, wrong)],
  ['weightOfGroups', 'matrices', (wrong) => weightOfGroups(wrong, [2, 2])],
  ['weightOfGroups', 'shape', (wrong) => weightOfGroups([eye], wrong)],
  ['weightOfGroups', 'shape', (wrong) => weightOfGroups([eye], [wrong])],
  ['cutAt', 'spectrum', (wrong) => cutAt(wrong, 0)],
  ['cutAt', 'tolerance', (wrong) => cutAt(spectrum, wrong)],
  ['cutAt', 'its directions', (wrong) => cutAt({ ...spectrum, directions: wrong }, 0)],
  ['cutAt', 'its singular values', (wrong) => cutAt({ ...spectrum, singularValues: wrong }, 0)],
  ['driftBounds', 'spectrum', (wrong) => driftBounds(wrong, eye)],
  ['driftBounds', 'its directions', (wrong) => driftBounds({ ...spectrum, directions: wrong }, eye)],
  ['driftBounds', 'v', (wrong) => driftBounds(spectrum, wrong)],
  ['driftBoundAt', 'space', (wrong) => driftBoundAt(spectrum, wrong, eye)],
  ['rowSpaceOfGram', 'gram', (wrong) => rowSpaceOfGram(wrong)],
  ['rowSpaceOfGram', 'options', (wrong) => rowSpaceOfGram(gram(), wrong)],
  ['spectrumOfGram', 'gram', (wrong) => spectrumOfGram(wrong)],
  ['spectrumOfGram', 'options', (wrong) => spectrumOfGram(gram(), wrong)],
  ['spectrumOfGram', 'tolerance', (wrong) => spectrumOfGram(gram(), { tolerance: wrong })],
  ['GramAccumulator', 'features', (wrong) => new GramAccumulator(wrong)],
  ['rowSpaceOfTsqr', 'tsqr', (wrong) => rowSpaceOfTsqr(wrong)],
  ['rowSpaceOfTsqr', 'options', (wrong) => rowSpaceOfTsqr(tsqr(), wrong)],
  ['rowSpaceOfTsqr', 'tolerance', (wrong) => rowSpaceOfTsqr(tsqr(), { tolerance: wrong })],
  ['spectrumOfTsqr', 'tsqr', (wrong) => spectrumOfTsqr(wrong)],
  ['spectrumOfTsqr', 'options', (wrong) => spectrumOfTsqr(tsqr(), wrong)],
  ['spectrumOfTsqr', 'tolerance', (wrong) => spectrumOfTsqr(tsqr(), { tolerance: wrong })],
  ['TsqrAccumulator', 'features', (wrong) => new TsqrAccumulator(wrong)],
  ['StreamedSolve', 'options', (wrong) => new StreamedSolve(2, wrong)],
  ['rowSpace', 'a', (wrong) => rowSpace(wrong)],
  ['rowSpace', 'options', (wrong) => rowSpace(eye, wrong)],
  ['projectOnRowSpace', 'space', (wrong) => projectOnRowSpace(wrong, eye)],
  ['projectOnRowSpace', 'its basis', (wrong) => projectOnRowSpace({ ...space, basis: wrong }, eye)],
  ['projectOnRowSpace', 'v', (wrong) => projectOnRowSpace(space, wrong)],
  ['solveShift', 'a', (wrong) => solveShift(wrong, eye, null)],
  ['solveShift', 'v', (wrong) => solveShift(eye, wrong, null)],
  ['solveShift', 'bias', (wrong) => solveShift(eye, eye, wrong)],
  ['solveShift', 'options', (wrong) => solveShift(eye, eye, null, wrong)],
  ['runStudy', 'model', (wrong) => runStudy(wrong, data, data, { batchSizes: [2] })],
  ['runStudy', 'train', (wrong) => runStudy(model, wrong, data, { batchSizes: [2] })],
  ['runStudy', 'validation', (wrong) => runStudy(model, data, wrong, { batchSizes: [2] })],
  ['runStudy', 'options', (wrong) => runStudy(model, data, data, wrong)],
]

const batch = () => ({ sampling: 'given', seed: 0, indices: [0] }) as const

it.each(calls)('%s refuses another kind of thing for %s, by that name', async (_, name, call) => {
  const error = await (async () => call('text' as never))().catch((caught) => caught)
  expect(error).toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining(`for ${name} but received "text"`),
  })
})

it('a dataset is refused by what it lacks', async () => {
  const { size: _, ...without } = data
  await expect(shiftOptimum(model, without as Dataset)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  })
})
