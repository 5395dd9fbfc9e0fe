import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  idxFolder,
  neuralCollapse,
  preprocessOf,
  ScriptModule,
  sampleIndices,
  type Tensor,
  torch,
} from '../../../src/index.js'
import {
  type Classifier,
  ClassScatter,
  type LabelledRows,
  type NeuralCollapse,
} from '../../../src/sharpness/index.js'
import { captureChunks, linearLayer } from '../../../src/shift/index.js'

import { demoModel, fashionMnist, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference, writeTensor } from '../../support/tensors.js'

const code = (value: string) => expect.objectContaining({ code: value })

/** K points at equal angles in the first K − 1 of m dimensions: √(K/(K − 1)) (I − 11ᵀ/K), turned. */
function simplex(classes: number, features: number): Tensor {
  const flat = torch.eye(classes, { dtype: 'float64' }).sub(1 / classes)
  const embedded = torch.cat([flat, torch.zeros([classes, features - classes], { dtype: 'float64' })], 1)
  const [rotation] = torch.linalg_qr(randn([features, features], 5, 'float64'))
  return embedded.mul(Math.sqrt(classes / (classes - 1))).matmul(rotation)
}

function* chunksOf({ rows, labels }: LabelledRows, size: number): Generator<LabelledRows> {
  for (let start = 0; start < labels.length; start += size) {
    const length = Math.min(size, labels.length - start)
    yield { rows: rows.narrow(0, start, length), labels: Array.from(labels).slice(start, start + length) }
  }
}

/** Clusters of unequal sizes about random centres far from 0. */
function clusters(classes: number, features: number, samples: number, width: number): LabelledRows {
  const labels = Array.from({ length: samples }, (_, i) => Math.floor((classes * i * i) / samples ** 2))
  const centres = randn([classes, features], 1, 'float64').add(30)
  const rows = centres.index_select(0, torch.tensor(labels, { dtype: 'int64' }))
  return { rows: rows.add(randn([samples, features], 2, 'float64').mul(width)), labels }
}

interface Case extends Classifier {
  readonly data: LabelledRows
}

/** What dense matrices give for each case. */
async function python(cases: readonly Case[]): Promise<NeuralCollapse[]> {
  const folder = temporaryFolder()
  const given = cases.map(({ data: { rows, labels }, weight, bias }, i) => {
    const file = (name: string, tensor: Tensor) => {
      const path = join(folder, `${name}-${i}`)
      writeTensor(path, tensor.to('float64'))
      return path
    }
    return {
      features: file('features', rows),
      shape: rows.shape,
      labels: Array.from(labels),
      weight: file('weight', weight),
      bias: file('bias', bias ?? torch.zeros([weight.shape[0]!])),
    }
  })
  return reference('neural_collapse', { cases: given })
}

function expectEqual(measured: NeuralCollapse, expected: NeuralCollapse, tolerance: number): void {
  const { samples, classes, betweenRank, disagreement } = expected
  expect(measured).toMatchObject({ samples, classes, betweenRank, disagreement })
  for (const name of ['variability', 'duality'] as const) {
    expect(Math.abs(measured[name] / expected[name] - 1)).toBeLessThan(tolerance)
  }
  for (const name of ['means', 'weights'] as const) {
    expect(measured[name].normVariation).toBeCloseTo(expected[name].normVariation, 10)
    expect(measured[name].angleDeviation).toBeCloseTo(expected[name].angleDeviation, 10)
  }
}

describe('neuralCollapse', () => {
  it('has the figures of dense matrices', async () => {
    const cases = [
      clusters(7, 20, 500, 1),
      clusters(7, 20, 500, 1e-6), // collapsed, far from 0
      clusters(9, 4, 300, 0.5), // fewer features than classes
      clusters(2, 6, 40, 2),
    ].map((data) => {
      const classes = Math.max(...Array.from(data.labels)) + 1
      const weight = randn([classes, data.rows.shape[1]!], 3, 'float64')
      return { data, weight, bias: randn([classes], 4, 'float64') }
    })
    const expected = await python(cases)
    for (const [i, { data, ...classifier }] of cases.entries()) {
      expectEqual(await neuralCollapse(() => chunksOf(data, 64), classifier), expected[i]!, 1e-7)
    }
  })

  it("has them for a trained network's features, from hooks", async () => {
    const model = await ScriptModule.load(demoModel)
    const train = await idxFolder(fashionMnist, 'train', preprocessOf(model))
    const indices = sampleIndices(train, { size: 300, sampling: 'stratified', seed: 0 })
    const layer = linearLayer(model)
    const parameters = model.namedParameters()
    const classifier = { weight: parameters.get('fc.weight')!, bias: parameters.get('fc.bias')! }
    const heard: LabelledRows[] = []
    const measured = await neuralCollapse(async function* () {
      for await (const { rows, indices: loaded } of captureChunks(model, layer, train, indices)) {
        const chunk = { rows: rows[0]!, labels: loaded.map((index) => train.labels[index]!) }
        heard.push({ ...chunk, rows: chunk.rows.clone() })
        yield chunk
      }
    }, classifier)
    const once = heard.slice(0, heard.length / 2)
    const data = {
      rows: torch.cat(once.map(({ rows }) => rows)),
      labels: once.flatMap(({ labels }) => Array.from(labels)),
    }
    expect(data.labels).toHaveLength(300)
    const [expected] = await python([{ data, ...classifier }])
    expectEqual(measured, expected!, 1e-7)
    // Trained to the end: the nearest class mean predicts nearly the same as the classifier.
    expect(measured.betweenRank).toBe(9)
    expect(measured.disagreement).toBeLessThan(0.1)
  })

  it('is 0 throughout for an exact simplex that is its own classifier', async () => {
    const vertices = simplex(10, 16)
    const labels = Array.from({ length: 30 }, (_, i) => i % 10)
    const rows = vertices.index_select(0, torch.tensor(labels, { dtype: 'int64' })).add(3)
    const weight = vertices.mul(0.01)
    const bias = weight.sum([1]).mul(-3) // the bias cancels the 3 that was added to the rows
    const collapse = await neuralCollapse(() => [{ rows, labels }], { weight, bias })
    const { samples, classes, betweenRank, ...figures } = collapse
    expect([samples, classes, betweenRank]).toEqual([30, 10, 9])
    const { means, weights, ...scalars } = figures
    for (const value of [means, weights, scalars].flatMap((part) => Object.values(part))) {
      expect(Math.abs(value)).toBeLessThan(1e-12)
    }
  })

  it('is the same in chunks of any size and after a turn of the features', async () => {
    const data = clusters(5, 12, 200, 1)
    const classifier = { weight: randn([5, 12], 3, 'float64'), bias: randn([5], 4, 'float64') }
    const whole = await neuralCollapse(() => [data], classifier)
    for (const size of [1, 7]) {
      expectEqual(await neuralCollapse(() => chunksOf(data, size), classifier), whole, 1e-10)
    }
    const [rotation] = torch.linalg_qr(randn([12, 12], 9, 'float64'))
    const turned = await neuralCollapse(() => [{ ...data, rows: data.rows.matmul(rotation) }], {
      weight: classifier.weight.matmul(rotation),
      bias: classifier.bias,
    })
    expectEqual(turned, whole, 1e-10)
  })

  it('counts the bias in what the classifier predicts, and nothing else', async () => {
    const vertices = simplex(4, 6)
    const labels = [0, 1, 2, 3]
    const rows = vertices.clone()
    const bias = torch.tensor([50, 0, 0, 0], { dtype: 'float64' }) // class 0, whatever comes
    const data = () => [{ rows, labels }]
    expect((await neuralCollapse(data, { weight: vertices, bias })).disagreement).toBe(0.75)
    expect((await neuralCollapse(data, { weight: vertices, bias: null })).disagreement).toBe(0)
  })

  it('leaves out dimensions in which the means do not differ', async () => {
    const line = torch.tensor([[0], [1], [3]], { dtype: 'float64' })
    const rows = torch.cat([line, torch.zeros([3, 2], { dtype: 'float64' })], 1)
    const labels = [0, 1, 2]
    const noisy = torch.cat([rows.add(0.1), rows.sub(0.1)])
    const { betweenRank, variability } = await neuralCollapse(
      () => [{ rows: noisy, labels: [...labels, ...labels] }],
      { weight: randn([3, 3], 1), bias: null },
    )
    // Means 0, 1 and 3 lie 14/9 about their own mean, rows 0.01 about theirs.
    expect(betweenRank).toBe(1)
    expect(variability).toBeCloseTo(0.01 / (14 / 9) / 3, 12)
  })

  it('refuses what has no answer', async () => {
    const rows = randn([6, 3], 1)
    const classifier = { weight: randn([3, 3], 2), bias: null }
    const of = (data: LabelledRows, given: Classifier = classifier) => neuralCollapse(() => [data], given)
    await expect(of({ rows, labels: [0, 0, 1, 1, 0, 1] })).rejects.toThrow(/none of 1 \(2\).*stratified/)
    await expect(of({ rows, labels: [0, 1, 2, 0, 1, 3] })).rejects.toEqual(code('ERR_LABELS'))
    await expect(of({ rows, labels: [0, 1, 2] })).rejects.toEqual(code('ERR_SHAPE'))
    const labels = [0, 1, 2, 0, 1, 2]
    await expect(of({ rows: rows.mul(Number.NaN), labels })).rejects.toEqual(code('ERR_NOT_FINITE'))
    await expect(of({ rows: torch.ones([6, 3]), labels })).rejects.toThrow('all are equal')
    const bias = torch.zeros([2])
    await expect(of({ rows, labels }, { ...classifier, bias })).rejects.toEqual(code('ERR_SHAPE'))
    await expect(of({ rows, labels }, { weight: rows.narrow(0, 0, 1), bias: null })).rejects.toEqual(
      code('ERR_CLASSES'),
    )
    const spent = [{ rows, labels }].values() // an iterator ends once and for all
    await expect(neuralCollapse(() => spent, classifier)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('must give the same rows each time'),
    })
  })
})

describe('ClassScatter', () => {
  it('keeps the scatter of collapsed classes that a sum of squares loses', async () => {
    const { rows, labels } = clusters(4, 8, 400, 1e-9)
    using scatter = new ClassScatter(4, 8)
    for (const chunk of chunksOf({ rows, labels }, 50)) await scatter.add(chunk.rows, chunk.labels)
    const which = torch.tensor(Array.from(labels), { dtype: 'int64' })
    const centred = rows.sub(scatter.means().index_select(0, which))
    const dense = centred.t().matmul(centred).div(400).toTypedArray() as Float64Array
    const size = Math.max(...dense)
    expect(largestDifference(scatter.within().toTypedArray() as Float64Array, dense)).toBeLessThan(
      1e-6 * size,
    )
    expect(scatter.samples).toBe(400)
    expect(scatter.counts.reduce((a, b) => a + b)).toBe(400)
  })

  it('refuses labels that are no class, and rows of another shape', async () => {
    using scatter = new ClassScatter(3, 4)
    for (const label of [-1, 3, 0.5, Number.NaN]) {
      await expect(scatter.add(torch.zeros([2, 4]), [0, label])).rejects.toEqual(code('ERR_LABELS'))
    }
    for (const shape of [[2, 3], [1, 4], [2], [2, 4, 1]]) {
      await expect(scatter.add(torch.zeros(shape), [0, 1])).rejects.toEqual(code('ERR_SHAPE'))
    }
    expect(scatter.samples).toBe(0)
  })

  it('is gone once it was disposed of', () => {
    let used: ClassScatter
    {
      using scatter = new ClassScatter(2, 3)
      used = scatter
    }
    expect(() => used.means()).toThrow(code('ERR_DISPOSED'))
    const scatter = new ClassScatter(2, 3)
    scatter.dispose()
    expect(() => scatter.means()).toThrow(code('ERR_DISPOSED'))
    expect(() => scatter.within()).toThrow(code('ERR_DISPOSED'))
  })
})
