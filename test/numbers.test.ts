import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { ScriptModule } from '../src/index.js'
import type { LinearLayer } from '../src/model/index.js'
import { vectors } from './support/datasets.js'
import { sos } from './support/doors.js'
import { elsewhere, numberOptions } from './support/number-options.js'
import { fixture, temporaryFolder } from './support/paths.js'
import { sharpnessNumbers } from './support/sharpness-numbers.js'
import {
  anyWhole,
  type Case,
  capture,
  count,
  finite,
  fromZero,
  geometries,
  geometry,
  list,
  nonNegative,
  options,
  positive,
  ranks,
  share,
  shift,
  without,
} from './support/slips.js'

let model: ScriptModule
let layer: LinearLayer
beforeAll(async () => {
  model = await sos.ScriptModule.load(fixture('mlp.scripted.pt'))
  layer = sos.linearLayer(model)
})
const data = vectors(20)
const all = [...data.labels.keys()]
const matrix = () => sos.torch.rand([6, 4], { dtype: 'float64' })
const collect = async (chunks: AsyncIterable<unknown>) => {
  for await (const _ of chunks);
}
const image = () => sos.torch.rand([1, 2, 4, 4])

const trainer = (change: object) =>
  new sos.Trainer(model, {
    data,
    epochs: 1,
    batchSize: 5,
    optimizer: sos.sgd({ learningRate: 0.1 }),
    ...change,
  })
const study = (given: object) => sos.runStudy(model, data, data, { batchSizes: [3], ...given })
const gram = () => new sos.GramAccumulator(4)
const tsqr = () => new sos.TsqrAccumulator(4)
const map = () => ({ weight: matrix().t(), bias: null })
const exact = { products: 0, outputs: 0, softmax: false }
const spectrum = () => ({ directions: matrix(), singularValues: [1, 0.5], uncertainty: 0 })

const { batchSize: ofDraws, ...applied } = shift
const apply = (given: object, batch: object = {}) => {
  const captured = { ...sos.drawBatch(data, layer, { indices: [0, 1, 2] }), rows: [sos.torch.rand([3, 8])] }
  return sos.applyShift(model, layer, data, { ...captured, ...batch }, given)
}

const cases: Record<string, Case> = {
  'applyShift batch.images': [
    count,
    (images) => sos.applyShift(model, layer, data, { solves: [new sos.StreamedSolve(8)], images }),
  ],
  'applyShift batch.indices': [list(fromZero), (indices) => apply({}, { indices })],
  'applyShift batch.seed': [anyWhole, (seed) => apply({}, { seed })],
  ...options('applyShift options', applied, (given) => apply(given)),
  ...ranks('applyShift options', (given) => apply(given)),
  ...options('drawBatch options', { batchSize: ofDraws!, seed: shift.seed! }, (given) =>
    sos.drawBatch(data, layer, given),
  ),
  'drawBatch options.indices': [list(fromZero), (indices) => sos.drawBatch(data, layer, { indices })],
  'Draws.integers below': [count, (below) => new sos.Draws(0, 'cpu', 3).integers(below)],
  'Generator.manualSeed seed': [anyWhole, (seed) => new sos.Generator().manualSeed(seed)],
  'ProcessGroup.fromEnvironment options.timeout': [
    count,
    (timeout) => sos.ProcessGroup.fromEnvironment({ timeout }),
  ],
  'joinProcesses options.timeout': [
    count,
    async (timeout) => {
      const before = { RANK: process.env.RANK, WORLD_SIZE: process.env.WORLD_SIZE }
      Object.assign(process.env, { RANK: '0', WORLD_SIZE: '1' })
      try {
        await sos.joinProcesses({ timeout })
      } finally {
        for (const [name, value] of Object.entries(before)) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      }
    },
  ],
  ...options(
    'adam options',
    { learningRate: nonNegative, epsilon: nonNegative, weightDecay: nonNegative },
    sos.adam,
  ),
  'adam options.betas': [list(share, 0.9), (betas) => sos.adam({ betas })],
  ...options(
    'adamW options',
    { learningRate: nonNegative, epsilon: nonNegative, weightDecay: nonNegative },
    sos.adamW,
  ),
  'adamW options.betas': [list(share, 0.9), (betas) => sos.adamW({ betas })],
  ...options('asam options', { rho: nonNegative, eta: nonNegative }, (given) => sos.asam(sos.adam(), given)),
  ...options('sam options', { rho: nonNegative }, (given) => sos.sam(sos.adam(), given)),
  ...options(
    'sgd options',
    { momentum: nonNegative, weightDecay: nonNegative, dampening: finite },
    (given: object) => sos.sgd({ learningRate: 1, ...given }),
  ),
  'sgd options.learningRate': [[...nonNegative, undefined], (learningRate) => sos.sgd({ learningRate })],
  'clipGradients maxNorm': [positive, (norm) => sos.clipGradients(sos.adam(), norm)],
  'batches batchSize': [count, (size) => collect(sos.batches(data, all, size))],
  'batches indices': [list(fromZero), (indices) => collect(sos.batches(data, indices, 4))],
  'captureChunks indices': [
    list(fromZero),
    (indices) => collect(sos.captureChunks(model, layer, data, indices)),
  ],
  ...options('captureChunks options', capture, (given) =>
    collect(sos.captureChunks(model, layer, data, all, given)),
  ),
  'captureInputs indices': [list(fromZero), (indices) => sos.captureInputs(model, layer, data, indices)],
  ...options('captureInputs options', capture, (given) => sos.captureInputs(model, layer, data, all, given)),
  'captureRows indices': [list(fromZero), (indices) => sos.captureRows(model, layer, data, indices)],
  ...options('captureRows options', capture, (given) => sos.captureRows(model, layer, data, all, given)),
  'classesCovered indices': [list(fromZero), (indices) => sos.classesCovered(data, indices)],
  ...sharpnessNumbers(() => model),
  ...options('controlWeights options', { rank: [...fromZero, 7], seed: anyWhole }, (given: object) =>
    sos.controlWeights('random', { a: matrix(), v: matrix(), vStar: matrix(), rank: 2, ...given }),
  ),
  ...geometries('convolutionRows geometry', (one) => sos.convolutionRows(image(), one)),
  'convolutionRows options.group': [
    [...fromZero, 1],
    (group) => sos.convolutionRows(image(), geometry({}), { group }),
  ],
  ...geometries('outputSize geometry', (one) => sos.outputSize(image(), one)),
  ...geometries('sampleWindows geometry', (one) => sos.sampleWindows(image(), one, 1, new sos.Generator(0))),
  'sampleWindows windowsPerImage': [
    count,
    (n) => sos.sampleWindows(image(), geometry({}), n, new sos.Generator(0)),
  ],
  'groupMatrix groups': [[...count, 5], (groups) => sos.groupMatrix(image().squeeze(0), groups)],
  'groupMatrix group': [[...fromZero, 1], (group) => sos.groupMatrix(image().squeeze(0), 1, group)],
  'weightOfGroups shape': [list(fromZero), (shape) => sos.weightOfGroups([matrix()], shape)],
  ...options('cosine options', { minimum: nonNegative }, sos.cosine),
  ...options(
    'oneCycle options',
    { rise: share, divisor: [...without(1.5, 2 ** 53)], finalDivisor: positive },
    sos.oneCycle,
  ),
  'multiStep gamma': [nonNegative, (gamma) => sos.multiStep([1], gamma)],
  'multiStep milestones': [list(count), (milestones) => sos.multiStep(milestones)],
  'warmUp epochs': [nonNegative, (epochs) => sos.warmUp(sos.constantRate, epochs)],
  'warmUp start': [without(0), (start) => sos.warmUp(sos.constantRate, 1, start)],
  ...Object.fromEntries(
    (
      'getDeviceCapability getDeviceName getDeviceProperties getRngState maxMemoryAllocated maxMemoryReserved memGetInfo ' +
      'memoryAllocated memoryReserved memoryStats resetAccumulatedMemoryStats resetPeakMemoryStats synchronize'
    )
      .split(' ')
      .map((name): [string, Case] => [
        `cuda.${name} device`,
        [fromZero, (device) => (sos.torch.cuda[name as 'synchronize'] as (device: never) => unknown)(device)],
      ]),
  ),
  'cuda.setRngState device': [fromZero, (device) => sos.torch.cuda.setRngState(sos.getRngState(), device)],
  'cuda.manualSeed seed': [anyWhole, (seed) => sos.torch.cuda.manualSeed(seed)],
  'cuda.manualSeedAll seed': [anyWhole, (seed) => sos.torch.cuda.manualSeedAll(seed)],
  'manualSeed seed': [anyWhole, (seed) => sos.manualSeed(seed)],
  'cutAt tolerance': [share, (tolerance) => sos.cutAt(spectrum(), tolerance)],
  ...options('evaluate options', { limit: count, chunk: count }, (given) => sos.evaluate(model, data, given)),
  ...options('evaluateAll options', { limit: count, chunk: count }, (given) =>
    sos.evaluateAll([model], data, given),
  ),
  ...options('evaluateDuringTraining options', { limit: count, chunk: count, everyEpochs: count }, (given) =>
    sos.evaluateDuringTraining(data, given),
  ),
  'evaluationSubject options.limit': [
    count,
    (limit) => sos.evaluationSubject([], data, sos.presetNamed('resnet50'), { limit }),
  ],
  'mixup alpha': [positive, (alpha) => sos.mixup(alpha)],
  'new ClassScatter classes': [count, (classes) => new sos.ClassScatter(classes, 2)],
  'new ClassScatter features': [count, (features) => new sos.ClassScatter(2, features)],
  'new Draws images': [count, (images) => new sos.Draws(0, 'cpu', images)],
  'new Draws seed': [anyWhole, (seed) => new sos.Draws(seed, 'cpu', 3)],
  'new Draws part.count': [[...fromZero, 4], (n) => new sos.Draws(0, 'cpu', 3, { first: 0, count: n })],
  'new Generator seed': [anyWhole, (seed) => new sos.Generator(seed)],
  'new GramAccumulator features': [count, (features) => new sos.GramAccumulator(features)],
  'new TsqrAccumulator features': [count, (features) => new sos.TsqrAccumulator(features)],
  'new ScoreSums classes': [fromZero, (classes) => new sos.ScoreSums(classes)],
  'new StreamedSolve inFeatures': [count, (features) => new sos.StreamedSolve(features)],
  ...ranks('new StreamedSolve options', (given) => new sos.StreamedSolve(4, given)),
  'new Slice start': [
    without(0, -1, null),
    (start) => sos.torch.arange(5).at(new sos.Slice(start, null, null)),
  ],
  'new Slice stop': [without(0, -1, null), (stop) => sos.torch.arange(5).at(new sos.Slice(null, stop, null))],
  'new Slice step': [without(null), (step) => sos.torch.arange(5).at(new sos.Slice(null, null, step))],
  'slice start': [without(0, -1, null), (start) => sos.torch.arange(5).at(sos.slice(start))],
  'slice stop': [without(0, -1, null), (stop) => sos.torch.arange(5).at(sos.slice(null, stop))],
  'slice step': [without(null), (step) => sos.torch.arange(5).at(sos.slice(null, null, step))],
  ...options(
    'new Trainer options',
    { batchSize: count, epochs: fromZero, residentBytes: nonNegative, seed: anyWhole },
    trainer,
  ),
  ...options('new Trainer options.checkpoints', { everyEpochs: count, keep: count }, (given: object) =>
    trainer({ checkpoints: { folder: 'nowhere', ...given } }),
  ),
  ...options(
    'probeDuringTraining options',
    { everyEpochs: count, samples: count, probes: [...fromZero, 1], seed: anyWhole, chunk: count },
    sos.probeDuringTraining,
  ),
  'randomCrop padding': [count, (padding) => sos.randomCrop(padding)],
  'randomFlip probability': [without(0), (probability) => sos.randomFlip(probability)],
  ...ranks('rowSpace options', (given) => sos.rowSpace(matrix(), given)),
  'rowSpaceOfGram options.tolerance': [share, (tolerance) => sos.rowSpaceOfGram(gram(), { tolerance })],
  'rowSpaceOfTsqr options.tolerance': [share, (tolerance) => sos.rowSpaceOfTsqr(tsqr(), { tolerance })],
  'spectrumOfGram options.tolerance': [share, (tolerance) => sos.spectrumOfGram(gram(), { tolerance })],
  'spectrumOfTsqr options.tolerance': [share, (tolerance) => sos.spectrumOfTsqr(tsqr(), { tolerance })],
  'experimentRuns options.seeds': [
    [...count, 1e9],
    (seeds) => sos.experimentRuns({ seed: 0 } as never, { schemes: ['sgd'], seeds, out: '' }),
  ],
  'runExperiment options.seeds': [
    [...count, 1e9],
    (seeds) =>
      sos.runExperiment({ seed: 0 } as never, {
        schemes: ['sgd'],
        seeds,
        out: join(temporaryFolder(), 'none'),
      }),
  ],
  ...options(
    'runStudy options',
    { draws: [...count, 1e9], seed: anyWhole, limit: count, chunk: count, mapAbove: nonNegative },
    study,
  ),
  'runStudy options.batchSizes': [list(count), (batchSizes) => study({ batchSizes })],
  ...options('sampleIndices options', { size: count, seed: anyWhole }, (given: object) =>
    sos.sampleIndices(data, { size: 2, sampling: 'uniform', seed: 0, ...given }),
  ),
  'setNumThreads threads': [[...count, 2 ** 31], (threads) => sos.setNumThreads(threads)],
  'setNumInteropThreads threads': [[...count, 2 ** 31], (threads) => sos.setNumInteropThreads(threads)],
  'setQueueLimit limit': [count, (limit) => sos.setQueueLimit(limit)],
  ...options('shiftOptimum options', shift, (given) => sos.shiftOptimum(model, data, given)),
  'shiftOptimum options.indices': [list(fromZero), (indices) => sos.shiftOptimum(model, data, { indices })],
  ...ranks('shiftOptimum options', (given) => sos.shiftOptimum(model, data, given)),
  ...options('shiftLayers options', shift, (given) => sos.shiftLayers(model, data, [layer.path], given)),
  'shiftLayers options.indices': [
    list(fromZero),
    (indices) => sos.shiftLayers(model, data, [layer.path], { indices }),
  ],
  ...ranks('shiftLayers options', (given) => sos.shiftLayers(model, data, [layer.path], given)),
  ...options('shiftOnAll options', { ...capture, logitBudget: nonNegative }, (given) =>
    sos.shiftOnAll(model, data, given),
  ),
  ...ranks('shiftOnAll options', (given) => sos.shiftOnAll(model, data, given)),
  ...ranks('solveShift options', (given) => sos.solveShift(matrix(), matrix(), null, given)),
  ...options(
    'sosDuringTraining options',
    { ...shift, everyEpochs: count, startEpoch: fromZero },
    sos.sosDuringTraining,
  ),
  ...ranks('sosDuringTraining options', sos.sosDuringTraining),
  ...options('measureDrift rounding', { products: nonNegative, outputs: nonNegative }, (given: object) =>
    sos.measureDrift(matrix(), map(), map(), { ...exact, ...given }),
  ),
  ...options('DriftSums.add rounding', { products: nonNegative, outputs: nonNegative }, (given: object) =>
    new sos.DriftSums([map()], [map()]).add([matrix()], { ...exact, ...given }),
  ),
  'subset indices': [list(fromZero), (indices) => sos.subset(data, indices)],
}

describe('an invalid number', () => {
  it('is looked for at every number that an exported function takes', () => {
    const items = / item$|\.output$/ // of a model's output: test/data/model-output.test.ts
    const numbers = numberOptions().filter((place) => !items.test(place))
    expect([...Object.keys(cases), ...elsewhere].sort()).toEqual(numbers)
  }, 120_000)

  it.each(Object.entries(cases))('is refused as %s', async (place, [wrong, call]) => {
    const codes =
      /^ERR_(INVALID_ARGUMENT|BATCH_SIZE|INDICES|INDEX|RANK_POLICY|DEVICE|TORCH|OPERATOR_ARGUMENTS)$/
    for (const value of wrong) {
      const begun = performance.now()
      const error = await (async () => call(value as never))().then(
        () => null,
        (error) => error,
      )
      const about = `${place}: ${JSON.stringify(value)} ${error}`
      expect(error, about).toMatchObject({ code: expect.stringMatching(codes) })
      expect(performance.now() - begun, about).toBeLessThan(2000)
    }
    expect(model.training).toBe(false)
  })
})
