import { describe, expect, it } from 'vitest'
import type { LoadedImages } from '../../src/data/index.js'
import { captureInputs, type Dataset, ScriptModule, type Tensor, torch } from '../../src/index.js'
import { convolutionLayer } from '../../src/model/index.js'
import { type CaptureOptions, captureChunks, captureRows, linearLayer } from '../../src/shift/index.js'
import type { Value } from '../../src/torch/index.js'

import { datasetOf, vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { randn } from '../support/random.js'

const head = (name: string) => ScriptModule.load(fixture(`heads.${name}.pt`))
const largest = (tensor: Tensor) => tensor.abs().max().item()

/** The last layer's inputs of a network of test/fixtures/heads.py: tanh(Wx + b). */
async function hiddenOf(model: ScriptModule, indices: readonly number[]): Promise<Tensor> {
  const { images } = await vectors(20).load(indices)
  const [weight, bias] = ['weight', 'bias'].map((name) =>
    model.namedParameters().get(`hidden.${name}`)!.detach(),
  )
  return images.matmul(weight!.t()).add(bias!).tanh()
}

/** A dataset that notes how many images it is asked for at once. */
function noting(data: Dataset): { data: Dataset; asked: number[] } {
  const asked: number[] = []
  const load = (indices: readonly number[]): Promise<LoadedImages> => {
    asked.push(indices.length)
    return data.load(indices)
  }
  return { data: { ...data, load }, asked }
}

describe('captureRows', () => {
  it('gives the inputs in the order of the samples, chunk by chunk, and reports each forward', async () => {
    const model = await head('Plain')
    const indices = [3, 19, 0, 7, 4]
    const { data, asked } = noting(vectors(20))
    const looks: [number, boolean, readonly (readonly number[])[]][] = []
    const progress: [number, number][] = []
    const options: CaptureOptions = {
      chunk: 2,
      onProgress: ({ done, total }) => void progress.push([done, total]),
    }
    const expected = await hiddenOf(model, indices)
    const logits = await torch.noGrad(async () => model.eval().forward((await data.load(indices)).images))
    asked.length = 0
    let seen = 0
    const look = (output: Value, rows: readonly Tensor[], images: number) => {
      const own = logits.narrow(0, seen, images)
      looks.push([images, largest((output as Tensor).sub(own)) < 1e-12, rows.map(({ shape }) => shape)])
      seen += images
    }
    const found = await captureRows(model, linearLayer(model), data, indices, options, look)
    expect(largest(found.rows[0]!.sub(expected))).toBeLessThan(1e-12)
    expect([found.rows.length, found.indices, found.outputs]).toEqual([1, indices, 3])
    expect(asked).toEqual([2, 2, 1])
    expect(looks).toEqual([
      [2, true, [[2, 8]]],
      [2, true, [[2, 8]]],
      [1, true, [[1, 8]]],
    ])
    expect(progress.at(-1)).toEqual([5, 5])
  })

  it('takes 64 images at once by default', async () => {
    const { data, asked } = noting(vectors(130))
    const model = await head('Plain')
    await captureInputs(model, linearLayer(model), data, [...Array(130).keys()])
    expect(asked).toEqual([64, 64, 2])
  })

  it('leaves out what could not be read', async () => {
    const model = await head('Plain')
    const found = await captureRows(model, linearLayer(model), vectors(20, [1, 3]), [0, 1, 2, 3], {
      chunk: 2,
    })
    expect(found.indices).toEqual([0, 2])
    expect(largest(found.rows[0]!.sub(await hiddenOf(model, [0, 2])))).toBeLessThan(1e-12)
  })

  it('runs in eval mode, and leaves the mode as it was', async () => {
    const model = (await ScriptModule.load(fixture('modes.noisy.pt'))).train()
    const layer = linearLayer(model)
    const [one, two] = [
      await captureInputs(model, layer, vectors(8), [0, 1, 2]),
      await captureInputs(model, layer, vectors(8), [0, 1, 2]),
    ]
    expect([one.equal(two), model.training, one.requiresGrad]).toEqual([true, true, false])
  })

  it('gives a row for each call of a layer, and each position', async () => {
    const model = await head('CalledTwice')
    const layer = { path: 'fc', inFeatures: 8, outFeatures: 8, hasBias: true }
    const { rows } = await captureRows(model, layer, vectors(20), [2, 5])
    const [weight, bias] = ['weight', 'bias'].map((name) =>
      model.namedParameters().get(`fc.${name}`)!.detach(),
    )
    const first = await hiddenOf(model, [2, 5])
    const second = first.matmul(weight!.t()).add(bias!).tanh()
    expect(largest(rows[0]!.sub(torch.cat([first, second])))).toBeLessThan(1e-12)
    const tokens = await head('Tokens')
    const positions = await captureRows(tokens, linearLayer(tokens), vectors(20), [2, 5])
    const f = await hiddenOf(tokens, [2, 5])
    expect(largest(positions.rows[0]!.sub(torch.stack([f, f.sin()], 1).reshape([4, 8])))).toBeLessThan(1e-12)
    expect([positions.outputs, positions.indices]).toEqual([3, [2, 5]])
  })

  it.each([
    ['Listed', null],
    ['ConvolutionHead', 3],
    ['LogitsAndFeatures', null],
  ])('counts the outputs of a model that returns [images, outputs]: %s', async (name, outputs) => {
    const model = await head(name)
    const layer = linearLayer(model, name === 'ConvolutionHead' ? 'hidden' : 'fc')
    expect((await captureRows(model, layer, vectors(20), [0, 1])).outputs).toBe(outputs)
  })

  it('counts those of the item that is meant, and gives that to who looks', async () => {
    const model = await head('FeaturesFirst')
    const shapes: unknown[] = []
    const look = (output: Value) => void shapes.push((output as Tensor).shape)
    for (const [output, count] of [
      ['logits', 3],
      ['features', 8],
      [1, 3],
    ] as const) {
      const found = await captureRows(model, linearLayer(model, 'fc'), vectors(20), [0, 1], { output }, look)
      expect(found.outputs).toBe(count)
    }
    expect(shapes).toEqual([
      [2, 3],
      [2, 8],
      [2, 3],
    ])
  })

  it('refuses no samples, a layer that is not called, and invalid numbers', async () => {
    const model = await head('Plain')
    const layer = linearLayer(model)
    await expect(captureRows(model, layer, vectors(20), [])).rejects.toMatchObject({ code: 'ERR_INDICES' })
    await expect(captureRows(model, layer, vectors(20), [20])).rejects.toMatchObject({ code: 'ERR_INDICES' })
    for (const options of [{ chunk: 0 }, { windowsPerImage: 0 }, { windowSeed: 0.5 }]) {
      await expect(captureRows(model, layer, vectors(20), [0], options)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(Object.keys(options)[0]!),
      })
    }
    const other = await head('ByFlag')
    await expect(captureRows(other, { ...layer, path: 'other' }, vectors(20), [0])).rejects.toMatchObject({
      code: 'ERR_NOT_CALLED',
      message: expect.stringContaining("'other'"),
    })
  })

  it('ends at a signal', async () => {
    const model = await head('Plain')
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(captureInputs(model, linearLayer(model), vectors(20), [0], { signal })).rejects.toThrow(
      'enough',
    )
  })

  it('names the layer whose inputs are no numbers', async () => {
    const model = await head('Plain')
    const data = datasetOf('large', torch.full([4, 6], 1e308, { dtype: 'float64' }).mul(100), ['a', 'b', 'c'])
    await expect(captureInputs(model, linearLayer(model, 'hidden'), data, [0, 1])).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringContaining("'hidden'"),
    })
  })
})

describe('captureChunks', () => {
  it('frees a chunk when the next is asked for, and the last with the loop', async () => {
    const model = await head('Plain')
    const kept: Tensor[] = []
    for await (const { rows, indices } of captureChunks(model, linearLayer(model), vectors(20), [0, 1, 2], {
      chunk: 1,
    })) {
      expect(indices).toEqual([kept.length])
      for (const one of kept) expect(() => one.item()).toThrow()
      expect(rows[0]!.shape).toEqual([1, 8])
      kept.push(rows[0]!)
      if (kept.length === 2) break
    }
    for (const one of kept) expect(() => one.toArray()).toThrow()
    expect(model.hooked).toBe(false)
  })
})

describe('the windows of a convolution', () => {
  const images = randn([3, 6, 11, 9], 3, 'float64')
  const data = datasetOf('images', images, ['one'])

  it('are drawn by their seed, and all of them if no number is given', async () => {
    const model = await ScriptModule.load(fixture('convolutions.scripted.pt'))
    const layer = convolutionLayer(model, 'pointwise')
    // Of a kernel of one pixel the rows are the pixels.
    const all = (await captureRows(model, layer, data, [2, 0])).rows[0]!
    const pixels = images
      .index_select(0, torch.tensor([2, 0], { dtype: 'int64' }))
      .permute([0, 2, 3, 1])
      .reshape([-1, 6])
    expect(all.equal(pixels)).toBe(true)
    const drawn = async (windowSeed?: number) => {
      const options = { windowsPerImage: 4, ...(windowSeed !== undefined && { windowSeed }) }
      return (await captureRows(model, layer, data, [2, 0], options)).rows[0]!
    }
    const order = (seed: number) => {
      const generator = new torch.Generator(seed)
      return [0, 99].flatMap((first) =>
        (torch.randperm(99, { generator }).toArray() as unknown as bigint[])
          .slice(0, 4)
          .map((pixel) => first + Number(pixel)),
      )
    }
    for (const seed of [0, 5]) {
      const expected = pixels.index_select(0, torch.tensor(order(seed), { dtype: 'int64' }))
      expect((await drawn(seed)).equal(expected)).toBe(true)
      if (seed === 0) expect((await drawn()).equal(expected)).toBe(true)
    }
  })
})
