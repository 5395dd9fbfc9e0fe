import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../src/index.js'
import { linearLayer } from '../../src/shift/index.js'
import { LayerWeights } from '../../src/shift/layer/layer-weights.js'
import { compared, OutputWatch } from '../../src/shift/output-watch.js'
import type { Value } from '../../src/torch/index.js'

import { fixture } from '../support/paths.js'
import { randn } from '../support/random.js'

const rows = randn([5, 8], 1, 'float64')
const epsilon = { float64: 2 ** -52, float32: 2 ** -23, bfloat16: 2 ** -7 }

/** A watch of the last layer of a network of test/fixtures/heads.py, and that layer's outputs for `rows`. */
async function watched(name: string) {
  const model = await ScriptModule.load(fixture(`heads.${name}.pt`))
  const layer = linearLayer(model)
  const [map] = torch.noGrad(() => new LayerWeights(model, layer.path).maps())
  const z = rows.matmul(map!.weight).add(map!.bias!)
  return { watch: new OutputWatch(model, layer, map!), z, model, layer, map: map! }
}

const same = (tensor: Tensor) => tensor
const largest = (tensor: Tensor) => tensor.abs().max().item()

describe('a watch of outputs', () => {
  it('finds the logits in what the model returns', async () => {
    const { watch, z } = await watched('Plain')
    watch.look(z, [rows], 5)
    const predictions = z.argmax(1).toArray()
    expect([watch.steps, watch.areLogits, watch.predictions]).toEqual([[], true, predictions])
    watch.look(z.narrow(0, 1, 2), [rows.narrow(0, 1, 2)], 2)
    expect(watch.predictions).toEqual([
      ...(predictions as number[]),
      ...(predictions as number[]).slice(1, 3),
    ])
    watch.expectOutput()
  })

  it.each<[string, (z: Tensor) => Value]>([
    ['a list', (z) => [z]],
    ['a list in a list', (z) => [[z], 3]],
    ['a map', (z) => new Map([['logits', z]])],
    ['an object', (z) => ({ logits: z, other: null, count: 7 }) as never],
  ])('finds them in %s', async (_, packed) => {
    const { watch, z } = await watched('Plain')
    watch.look(packed(z), [rows], 5)
    expect([watch.steps, watch.predictions]).toEqual([[], z.argmax(1).toArray()])
  })

  // The rounding of other kernels is a thousandth of the largest logit.
  it.each([
    [0, true],
    [0.9e-3, true],
    [-0.9e-3, true],
    [1.1e-3, false],
    [-1.1e-3, false],
    [Number.NaN, false],
  ])('lets outputs differ by rounding, not by more: %d of the largest', async (share, same) => {
    const { watch, z } = await watched('Plain')
    const moved = z.clone()
    moved.at(2, 1).add_(share * largest(z))
    watch.look(moved, [rows], 5)
    expect(watch.steps).toEqual(same ? [] : null)
    expect([watch.areLogits, watch.predictions?.length]).toEqual([same, 5])
    if (same) watch.expectOutput()
    else expect(() => watch.expectOutput()).toThrow(expect.objectContaining({ code: 'ERR_NO_OUTPUT_LAYER' }))
    watch.look(z, [rows], 5) // once is enough
    expect(watch.steps).toEqual(same ? [] : null)
  })

  it.each([
    ['Softmax', (z: Tensor) => z.softmax(1)],
    ['LogSoftmax', (z: Tensor) => z.log_softmax(1)],
  ])('holds a softmax against one, up to a thousandth of it: %s', async (name, of) => {
    for (const [share, same] of [
      [0.9e-3, true],
      [2e-3, false],
    ] as const) {
      const { watch, z } = await watched(name)
      const moved = of(z)
      moved.at(0, 0).add_(share * Math.max(1, largest(z)))
      watch.look(moved, [rows], 5)
      expect(watch.steps).toEqual(same ? [name === 'Softmax' ? 'aten::softmax' : 'aten::log_softmax'] : null)
      expect(watch.rounding('float32').softmax).toBe(same)
    }
    const { watch, z } = await watched(name)
    watch.look(z, [rows], 5) // the logits are neither their own softmax nor their log-softmax
    expect(watch.steps).toBeNull()
  })

  it('lets a product of large inputs and weights differ by their own rounding', async () => {
    // Logits of about 1 from two products of 1e9 that cancel: their sum is rounded to 2⁻²³ · 1e9 in float32.
    const { model, layer } = await watched('Plain')
    const large = torch.zeros([8, 3], { dtype: 'float64' })
    large.narrow(0, 0, 1).fill_(1e6)
    large.narrow(0, 1, 1).fill_(-1e6)
    large.at(2, 1).fill_(1)
    const inputs = torch.zeros([5, 8], { dtype: 'float64' })
    inputs.narrow(1, 0, 3).fill_(1000)
    inputs.narrow(1, 2, 1).fill_(1)
    inputs.at(0, 3).fill_(7) // the longest of the inputs
    const z = inputs.matmul(large)
    const noise = 16 * epsilon.float32 * Math.sqrt(2e6 + 1 + 49) * Math.sqrt(2e12 + 1)
    for (const [off, alike] of [
      [0.99 * noise, true],
      [1.01 * noise + 0.001, false],
    ] as const) {
      const watch = new OutputWatch(model, layer, { weight: large, bias: null })
      watch.look(z.add(off), [inputs], 5)
      expect(watch.steps).toEqual(alike ? [] : null)
    }
    // Outputs or inputs of half precision are rounded more.
    for (const [output, rowsOf] of [
      [(one: Tensor) => one.to('bfloat16'), same],
      [same, (one: Tensor) => one.to('bfloat16')],
    ] as const) {
      const watch = new OutputWatch(model, layer, { weight: large.div(1e6), bias: null })
      const small = rowsOf(inputs.div(1000))
      watch.look(output(small.to('float64').matmul(large.div(1e6)).add(0.1)), [small], 5)
      expect(watch.steps).toEqual([])
    }
    const exact = new OutputWatch(model, layer, { weight: large.div(1e6), bias: null })
    exact.look(inputs.div(1000).matmul(large.div(1e6)).add(0.1), [inputs.div(1000)], 5)
    expect(exact.steps).toBeNull()
  })

  it('goes by the largest logit, however small, and for a softmax by 1 at least', async () => {
    const small = rows.mul(1e-3)
    for (const [name, of, scale] of [
      ['Plain', same, undefined],
      ['Softmax', (z: Tensor) => z.softmax(1), 1],
    ] as const) {
      const { model, layer, map } = await watched(name)
      const weights = { weight: map.weight.mul(0.1), bias: map.bias!.mul(0.1) }
      const z = small.matmul(weights.weight).add(weights.bias)
      expect(largest(z)).toBeLessThan(0.1)
      for (const [share, alike] of [
        [0.9e-3, true],
        [1.1e-3, false],
      ] as const) {
        const watch = new OutputWatch(model, layer, weights)
        watch.look(of(z).add(share * (scale ?? largest(z))), [small], 5)
        expect(watch.steps !== null).toBe(alike)
      }
    }
  })

  it('takes the mean over the positions of an image', async () => {
    const { watch, z } = await watched('Tokens')
    const six = torch.cat([rows, rows.narrow(0, 0, 1)])
    const all = torch.cat([z, z.narrow(0, 0, 1)])
    const means = all.reshape([3, 2, -1]).mean([1])
    watch.look(means, [six], 3)
    expect([watch.steps, watch.areLogits, watch.predictions?.length]).toEqual([['aten::mean'], false, 3])
    watch.look(all.reshape([2, 3, -1]).mean([1]), [six], 2)
    expect(watch.steps).toEqual(['aten::mean'])
    for (const [output, images] of [
      [z.narrow(0, 0, 4), 4], // six rows are not of four images
      [z.narrow(0, 0, 0), 0],
      [means.narrow(1, 0, 2), 3],
      [means.add(1), 3],
    ] as const) {
      const { watch: other } = await watched('Tokens')
      other.look(output, [six], images)
      expect(other.steps).toBeNull()
    }
  })

  it('takes nothing of another size for the output', async () => {
    for (const output of [(z: Tensor) => z.narrow(1, 0, 2), (z: Tensor) => torch.cat([z, z])]) {
      const { watch, z } = await watched('Plain')
      watch.look(output(z), [rows], 5)
      expect(watch.steps).toBeNull()
    }
    const { watch, z } = await watched('Plain')
    watch.look([z, z.sum()], [rows], 5) // of two tensors, neither is the output
    expect([watch.steps, watch.predictions]).toEqual([null, z.argmax(1).toArray()])
  })

  it.each<[string, (z: Tensor) => Value, boolean]>([
    ['whole numbers', (z) => z.to('int64'), true],
    ['bytes', (z) => z.abs().to('uint8'), true],
    ['float16', (z) => z.to('float16'), true],
    ['bfloat16', (z) => z.to('bfloat16'), true],
    ['truths', (z) => z.gt(0), false],
    ['one column', (z) => z.narrow(1, 0, 1), false],
    ['other rows than images', (z) => z.narrow(0, 0, 4), false],
    ['three dimensions', (z) => z.unsqueeze(2), false],
    ['a number', () => 5, false],
    ['nothing', () => null as never, false],
    ['two of them', (z) => [z, z], false],
  ])('sees classes in [images, classes] of numbers alone: %s', async (_, output, seen) => {
    const { watch, z } = await watched('Plain')
    watch.look(output(z), [rows], 5)
    expect(watch.predictions?.length).toBe(seen ? 5 : undefined)
    watch.look(z, [rows], 5) // an image without a class leaves the others without sense
    expect(watch.predictions?.length).toBe(seen ? 10 : undefined)
    if (!seen) expect(watch.areLogits).toBe(false)
  })

  it('knows rows that are not one for each image', async () => {
    const { watch, z } = await watched('Plain')
    watch.look(z, [rows], 5)
    expect(watch.areLogits).toBe(true)
    watch.look(z.narrow(0, 0, 4), [rows], 4)
    expect(watch.areLogits).toBe(false)
  })

  it('reports the rounding of the coarsest dtype that it saw', async () => {
    const { watch, z } = await watched('Plain')
    expect(watch.rounding('float64')).toEqual({
      products: 16 * epsilon.float64,
      outputs: epsilon.float64,
      softmax: false,
    })
    watch.look(z, [rows], 5)
    expect(watch.rounding('float32')).toEqual({
      products: 16 * epsilon.float32,
      outputs: epsilon.float32,
      softmax: false,
    })
    // Sums of half precision are added up in float32.
    expect(watch.rounding('bfloat16')).toMatchObject({
      products: 16 * epsilon.float32,
      outputs: epsilon.bfloat16,
    })
    watch.look(z.to('bfloat16'), [rows], 5)
    watch.look(z, [rows], 5)
    expect(watch.rounding('float64')).toMatchObject({
      products: 16 * epsilon.float64,
      outputs: epsilon.bfloat16,
    })
  })

  it('knows nothing of a frozen model, nor of a layer that makes no output', async () => {
    const { model, layer, map } = await watched('Plain')
    const frozen = await (await ScriptModule.load(fixture('heads.Plain.pt'))).eval().freeze()
    expect(new OutputWatch(frozen, layer, map).steps).toBeNull()
    expect(new OutputWatch(model, linearLayer(model, 'hidden'), map).steps).toBeNull()
  })

  it('of an item of the output receives that item', async () => {
    const model = await ScriptModule.load(fixture('heads.FeaturesFirst.pt'))
    const layer = linearLayer(model, 'fc')
    const [map] = torch.noGrad(() => new LayerWeights(model, 'fc').maps())
    expect(new OutputWatch(model, layer, map!, 'logits').steps).toEqual([])
    expect(new OutputWatch(model, layer, map!, 'features').steps).toBeNull()
  })

  it('counts the images whose class changed, if both have classes', async () => {
    const [before, after, none] = [await watched('Plain'), await watched('Plain'), await watched('Plain')]
    const classes = (values: number[]) =>
      torch.eye(3, { dtype: 'float64' }).index_select(0, torch.tensor(values, { dtype: 'int64' }))
    before.watch.look(classes([0, 1, 2, 1, 0]), [rows], 5)
    after.watch.look(classes([0, 2, 2, 0, 0]), [rows], 5)
    none.watch.look(7, [rows], 5)
    expect(compared(before.watch, after.watch)).toEqual({ images: 5, changed: 2 })
    expect(compared(before.watch, before.watch)).toEqual({ images: 5, changed: 0 })
    expect([compared(before.watch, none.watch), compared(none.watch, after.watch)]).toEqual([null, null])
  })
})
