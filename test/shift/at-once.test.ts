import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset, LoadedImages } from '../../src/data/index.js'
import {
  captureInputs,
  evaluate,
  idxFolder,
  lastLayerTrace,
  neuralCollapse,
  preprocessOf,
  runStudy,
  ScriptModule,
  shiftOptimum,
  subset,
  torch,
} from '../../src/index.js'
import { linearLayers } from '../../src/model/index.js'
import { captureChunks, captureRows, linearLayer } from '../../src/shift/index.js'

import { cacheFeatures } from '../../src/shift/study/features.js'
import { vectors } from '../support/datasets.js'
import { demoModel, fashionMnist, fixture } from '../support/paths.js'

const code = (expected: string) => expect.objectContaining({ code: expected })

let train: Dataset
beforeAll(async () => {
  train = await idxFolder(fashionMnist, 'train', preprocessOf(await ScriptModule.load(demoModel)))
})

const load = () => ScriptModule.load(demoModel)
const weightOf = (model: ScriptModule) => model.namedParameters().get('fc.weight')!

/** Runs `body` while requests of 8 images are answered with the same module, `gap` milliseconds apart. */
async function served<T>(model: ScriptModule, gap: number, body: () => Promise<T>): Promise<T> {
  let stopped = false
  let answered = 0
  const images = torch.rand([8, 1, 28, 28])
  const expected = await torch.noGrad(() => model.forward(images))
  const server = (async () => {
    while (!stopped) {
      const logits = await torch.noGrad(() => model.forward(images))
      if (answered === 0) expect(torch.equal(logits, expected)).toBe(true)
      logits.dispose()
      answered++
      await new Promise((resolve) => setTimeout(resolve, gap))
    }
  })()
  try {
    return await body()
  } finally {
    stopped = true
    await server
    expect(answered).toBeGreaterThan(1)
  }
}

describe('while other calls of the module run', () => {
  it.each([0, 5, 20])('a shift is that of its own rows, requests %s ms apart', async (gap) => {
    const options = { batchSize: 100, seed: 0, chunk: 16 }
    const alone = await load()
    const { milliseconds: _, ...expected } = await shiftOptimum(alone, train, options)
    const model = (await load()).eval()
    const { milliseconds: __, ...record } = await served(model, gap, () =>
      shiftOptimum(model, train, options),
    )
    expect(record).toEqual(expected)
    expect(record.rows).toEqual({ count: 100, of: 'images' })
    expect(torch.equal(weightOf(model), weightOf(alone))).toBe(true)
    expect(model.hooked).toBe(false)
  })

  it('captures, evaluations, traces and collapses at once are those of each alone', async () => {
    const model = (await load()).eval()
    const layer = linearLayer(model)
    const some = subset(train, [...Array(90).keys()])
    const indices = (from: number) => Array.from({ length: 50 }, (_, i) => from + i)
    const collapse = async () => {
      const parameters = model.namedParameters()
      const classifier = { weight: weightOf(model), bias: parameters.get('fc.bias')! }
      return neuralCollapse(async function* () {
        for await (const { rows, indices } of captureChunks(model, layer, some, [...Array(90).keys()], {
          chunk: 20,
        })) {
          yield { rows: rows[0]!, labels: indices.map((index) => some.labels[index]!) }
        }
      }, classifier)
    }
    const tasks: (() => Promise<unknown>)[] = [
      ...[0, 30, 200].map((from) => async () => {
        const rows = await captureInputs(model, layer, train, indices(from), { chunk: 7 })
        return rows.toArray()
      }),
      () => lastLayerTrace(model, layer.path, train, { samples: 60, chunk: 9 }),
      () => evaluate(model, some, { chunk: 13 }),
      () => evaluate(model, some, { chunk: 13, optimize: false }),
      async () => (await cacheFeatures(model, layer, train, indices(5), { chunk: 8 })).rows.toArray(),
      async () =>
        (await cacheFeatures(model, layer, train, indices(9), { chunk: 8, frozen: true })).rows.toArray(),
      collapse,
    ]
    const alone: unknown[] = []
    for (const task of tasks) alone.push(await task())
    const together = await served(model, 1, () => Promise.all(tasks.map((task) => task())))
    for (const [i, result] of together.entries()) expect(result, `task ${i}`).toEqual(alone[i])
    expect(model.hooked).toBe(false)
  })

  it('a study is that of the module alone', async () => {
    const options = { batchSizes: [20], seeds: 1, limit: 40, chunk: 16 }
    const model = (await load()).eval()
    const { milliseconds: _, ...alone } = await runStudy(model, train, train, options)
    const { milliseconds: __, ...study } = await served(model, 1, () =>
      runStudy(model, train, train, options),
    )
    expect(study).toEqual(alone)
  })

  it('captures of different layers of one module at once do not mix', async () => {
    const model = (await ScriptModule.load(fixture('mlp.scripted.pt'))).eval()
    const data = vectors(40)
    const indices = [...Array(40).keys()]
    const both = await Promise.all(
      linearLayers(model).flatMap((layer) =>
        [3, 11].map((chunk) => captureInputs(model, layer, data, indices, { chunk })),
      ),
    )
    expect(both.map(({ shape }) => shape)).toEqual([
      [40, 6],
      [40, 6],
      [40, 8],
      [40, 8],
    ])
    const { images } = await data.load(indices)
    const parameters = model.namedParameters()
    const [weight, bias] = ['0.weight', '0.bias'].map((name) => parameters.get(name)!)
    const hidden = torch.linear(images, weight!, bias!).tanh()
    for (const [i, expected] of [images, images, hidden, hidden].entries()) {
      expect(torch.allclose(both[i]!, expected, { rtol: 1e-12, atol: 1e-12 })).toBe(true)
    }
  })
})

describe('a run that throws early', () => {
  it('no hook is left behind', async () => {
    const model = (await load()).train()
    const layer = linearLayer(model)
    const pending = model.forward(torch.rand([2, 1, 28, 28]))
    for (const run of [
      () => captureInputs(model, layer, train, [0, 1]),
      () => captureRows(model, layer, train, [0, 1]),
      () => lastLayerTrace(model, 'fc', train, { samples: 4 }),
      () => cacheFeatures(model, layer, train, [0, 1]),
    ]) {
      await expect(run()).rejects.toEqual(code('ERR_BUSY'))
      expect([model.hooked, model.training]).toEqual([false, true])
    }
    await pending
    await expect(captureInputs(model, layer, train, [-1])).rejects.toThrow()
    await expect(lastLayerTrace(model, 'layer1', train)).rejects.toEqual(code('ERR_NOT_LAST'))
    expect([model.hooked, model.training]).toEqual([false, true])
  })

  it('none is left if the consumer of chunks leaves', async () => {
    const model = (await load()).train()
    for await (const { rows } of captureChunks(model, linearLayer(model), train, [0, 1, 2, 3], {
      chunk: 2,
    })) {
      expect(rows[0]!.shape).toEqual([2, 256])
      break
    }
    expect([model.hooked, model.training]).toEqual([false, true])
  })
})

describe('rows of the last layer', () => {
  it('are one for each image, or refused', async () => {
    const model = await ScriptModule.load(fixture('modes.folding.pt'))
    const twice: Dataset = {
      ...vectors(10),
      load: async (indices) => folded(await vectors(10).load(indices)),
    }
    const layer = linearLayer(model)
    expect((await captureInputs(model, layer, vectors(10), [1, 2, 3])).shape).toEqual([3, 6])
    await expect(captureInputs(model, layer, twice, [1, 2, 3])).rejects.toEqual(code('ERR_OUTPUT_SHAPE'))
    await expect(shiftOptimum(model, twice, { batchSize: 3 })).rejects.toThrow(
      /a row of 'fc' for each of 3 images but there were 6/,
    )
  })
})

/** Images of twice the size. */
const folded = ({ images, ...rest }: LoadedImages) => ({ ...rest, images: torch.cat([images, images], 1) })
