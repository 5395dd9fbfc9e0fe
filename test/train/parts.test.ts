import { describe, expect, it } from 'vitest'
import { mixup, randomCrop, randomFlip, ScriptModule, sgd, type Tensor, torch } from '../../src/index.js'
import { EpochSums, meansOf } from '../../src/train/epoch-sums.js'
import { cosine } from '../../src/train/index.js'
import { callListeners } from '../../src/train/listeners.js'
import { alone, inTheFirst, type Parallel } from '../../src/train/parallel.js'
import { PixelScaling } from '../../src/train/pixel-scaling.js'
import { describeRun, outputOptionsOf } from '../../src/train/trainer-options.js'
import { claimWeights } from '../../src/train/weight-claims.js'

import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'

const float64 = (values: number[] | number[][]) => torch.tensor(values as number[], { dtype: 'float64' })
const int64 = (values: number[]) => torch.tensor(values, { dtype: 'int64' })

describe('the sums of an epoch', () => {
  const logits = float64([[3, 1, 0], [0, 1, 2], [0, 5, 1]]) // biome-ignore format: a matrix

  it('weigh a batch by its images, and count how often the largest logit was the label’s', () => {
    const sums = new EpochSums('cpu')
    expect(sums.read()).toEqual({ loss: 0, correct: 0, images: 0 })
    sums.add(float64([0.5]).select(0, 0), logits, int64([0, 1, 1]))
    sums.add(float64([2]).select(0, 0), logits.narrow(0, 0, 1), int64([2]))
    expect(sums.read()).toEqual({ loss: 0.5 * 3 + 2, correct: 2, images: 4 })
    sums.dispose()
  })

  it('count the share of the class that is predicted, of mixed labels', () => {
    const sums = new EpochSums('cpu', { loss: 1, correct: 2, images: 3 })
    const shares = float64([[0.75, 0.25, 0], [0, 1, 0], [0.5, 0.125, 0.375]]) // biome-ignore format: a matrix
    sums.add(float64([1]).select(0, 0), logits, shares)
    expect(sums.read()).toEqual({ loss: 4, correct: 2 + 0.75 + 0 + 0.125, images: 6 })
  })

  it('have means, but for a loss that is no number', () => {
    expect(meansOf({ loss: 6, correct: 1, images: 4 }, 'epoch 2', 0.1)).toEqual({
      loss: 1.5,
      accuracy: 25,
      images: 4,
    })
    for (const loss of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => meansOf({ loss, correct: 1, images: 4 }, 'epoch 2', 0.125)).toThrow(
        expect.objectContaining({
          code: 'ERR_NOT_FINITE',
          message: expect.stringMatching(new RegExp(`epoch 2 is ${loss}.*0\\.125`)),
        }),
      )
    }
  })
})

describe('what is done in the first process', () => {
  const parallel = (rank: number, failed: number): Parallel => ({
    ...alone,
    rank,
    size: 2,
    sum: async () => [failed],
  })

  it('is done there alone, and its failure is everybody’s', async () => {
    const done: number[] = []
    const work = (rank: number) => async () => void done.push(rank)
    for (const rank of [0, 1, 2]) await inTheFirst(parallel(rank, 0), work(rank))
    expect(done).toEqual([0])
    await expect(inTheFirst(parallel(1, 1), work(1))).rejects.toMatchObject({ code: 'ERR_PROCESS_GROUP' })
    const failing = inTheFirst(alone, () => Promise.reject(new Error('the disk')))
    await expect(failing).rejects.toThrow('the disk')
    expect(done).toEqual([0])
  })

  it('of one process is that of the process itself', async () => {
    const x = float64([1, 2, 3]).requires_grad_()
    const unused = float64([1]).requires_grad_()
    const loss = torch.enableGrad(() => x.square().sum())
    const [gradient, none] = await alone.gradients(loss, [x, unused])
    expect([gradient!.toArray(), none]).toEqual([[2, 4, 6], null])
    expect([alone.rank, alone.size, alone.device('cuda:1')]).toEqual([0, 1, 'cuda:1'])
    const values = [1, 2]
    const summed = await alone.sum(values)
    expect([summed, summed === values]).toEqual([[1, 2], false])
    expect(await alone.gatherRows(x)).toBe(x)
    await alone.broadcast([x])
    expect(x.toArray()).toEqual([1, 2, 3])
  })
})

describe('the listeners of an event', () => {
  it('are called with the trainer as this, and what the event tells, getters as they are', async () => {
    const self = { name: 'a trainer' }
    let reads = 0
    const fields = {
      epoch: 3,
      get loss() {
        reads++
        return 0.5
      },
    }
    const told: unknown[] = []
    function first(this: unknown, event: { epoch: number }) {
      told.push(this, event.epoch)
    }
    const second = (event: { loss: number }) => void told.push(event.loss)
    await callListeners([first], self, fields)
    expect([told, reads]).toEqual([[self, 3], 0])
    await callListeners([second], self, fields)
    expect([told.at(-1), reads]).toEqual([0.5, 1])
  })

  it('fail with their first error, when all has ended, and keep the next from being called', async () => {
    const told: string[] = []
    const pause = (name: string) =>
      new Promise<void>((resolve) => setTimeout(resolve, 5)).then(() => void told.push(name))
    const failing = ({ waitUntil }: { waitUntil(work: Promise<unknown>): void }) => {
      waitUntil(Promise.reject(new Error('first')))
      waitUntil(pause('ended'))
      return Promise.reject(new Error('second'))
    }
    await expect(callListeners([failing, () => void told.push('next')], null, {})).rejects.toThrow('first')
    expect(told).toEqual(['ended'])
  })
})

describe('mixup', () => {
  it('is described by its name and number, and refuses an invalid α', () => {
    expect(mixup().description).toEqual({ name: 'mixup', alpha: 1 })
    expect(mixup(0.25).description).toEqual({ name: 'mixup', alpha: 0.25 })
    for (const alpha of [0, -1, Number.NaN]) {
      expect(() => mixup(alpha)).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('alpha') }),
      )
    }
  })
})

describe('the scaling of pixels', () => {
  const [mean, std] = [
    [0.1, 0.5],
    [0.2, 0.4],
  ]
  const pixels = torch.randint(0, 256, [3, 2, 4, 5], { dtype: 'uint8', generator: new torch.Generator(3) })
  const scaled = (bytes: Tensor) => {
    const perChannel = (values: number[]) => float64(values).view([1, -1, 1, 1])
    return bytes.to('float64').div(255).sub(perChannel(mean!)).div(perChannel(std!))
  }

  it.each(['channels_last', 'contiguous_format'] as const)(
    'is (byte / 255 − mean) / std: %s',
    (memoryFormat) => {
      const scaling = new PixelScaling({ mean: mean!, std: std! }, memoryFormat)
      for (const bytes of [pixels, pixels.narrow(2, 0, 2), pixels.narrow(3, 1, 3), pixels]) {
        const before = bytes.clone()
        const values = scaling.apply(bytes)
        expect(values.sub(scaled(bytes)).abs().max().item()).toBeLessThan(1e-5)
        expect([values.dtype, values.stride()[1] === 1]).toEqual([
          'float32',
          memoryFormat === 'channels_last',
        ])
        expect(bytes.equal(before)).toBe(true)
      }
      scaling.dispose()
      scaling.dispose()
      expect(scaling.apply(pixels).sub(scaled(pixels)).abs().max().item()).toBeLessThan(1e-5)
    },
  )
})

describe('what a checkpoint must have been made by', () => {
  const options = {
    data: vectors(9),
    epochs: 3,
    batchSize: 4,
    optimizer: sgd({ learningRate: 0.5, momentum: 0.25 }),
  }

  it('has every option that changes what is computed, with its default', async () => {
    const { data, ...told } = await describeRun(options)
    expect(data).toMatchObject({ name: 'vectors', size: 9 })
    const optimizer = {
      name: 'sgd',
      learningRate: 0.5,
      momentum: 0.25,
      dampening: 0,
      nesterov: false,
      weightDecay: 0,
    }
    expect(told).toEqual({
      epochs: 3,
      batchSize: 4,
      seed: 0,
      augment: [],
      mixup: null,
      dropLast: false,
      channelsLast: false,
      autocast: null,
      outputs: 'logits',
      output: null,
      optimizer,
      schedule: { name: 'constant' },
      processes: 1,
    })
    const { data: _, ...more } = await describeRun({
      ...options,
      seed: 7,
      augment: [randomCrop(2), randomFlip()],
      mixup: mixup(0.5),
      dropLast: true,
      channelsLast: true,
      autocast: 'bfloat16',
      outputs: 'probabilities',
      output: 0,
      schedule: cosine({ minimum: 0.1 }),
      parallel: { ...alone, size: 4 },
    })
    expect(more).toEqual({
      epochs: 3,
      batchSize: 4,
      seed: 7,
      augment: [randomCrop(2).description, randomFlip().description],
      mixup: { name: 'mixup', alpha: 0.5 },
      dropLast: true,
      channelsLast: true,
      autocast: 'bfloat16',
      outputs: 'probabilities',
      output: '0',
      optimizer,
      schedule: { name: 'cosine', minimum: 0.1, per: 'epoch' },
      processes: 4,
    })
  })

  it('passes on where the logits are, if that is given', () => {
    expect(outputOptionsOf(options)).toEqual({})
    expect(outputOptionsOf({ ...options, output: 0, outputs: 'logits' })).toEqual({
      output: 0,
      outputs: 'logits',
    })
  })
})

describe('the weights of a training', () => {
  it('are one trainer’s, until it gives them back', async () => {
    const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
    const [model, other] = [await load(), await load()]
    const claim = claimWeights(model)
    expect(() => claimWeights(model)).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }))
    claimWeights(other)[Symbol.dispose]()
    claim[Symbol.dispose]()
    claimWeights(model)[Symbol.dispose]()
    // Weights that no gradient reaches may be shared.
    const first = claimWeights(other)
    for (const parameter of other.parameters()) parameter.requiresGrad = false
    claimWeights(other)[Symbol.dispose]()
    first[Symbol.dispose]()
  })
})
