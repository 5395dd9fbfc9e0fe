import { describe, expect, it } from 'vitest'
import { trainerOptions } from '../../../src/train/experiment/run-options.js'
import { parseConfig, trainingPresets } from '../../../src/train/index.js'
import { difference } from '../../../src/train/json-difference.js'

function circle(): object {
  const one: Record<string, unknown> = {}
  one.again = one
  return one
}

const least = { preset: 'paper', model: 'm.pt', train: 'cifar10:d:train' }

describe('a configuration', () => {
  it('takes from its preset what it leaves out, key by key', () => {
    const config = parseConfig(
      {
        ...least,
        epochs: 3,
        optimizer: { learningRate: 0.5 },
        sos: { everyEpochs: 2 },
        augment: { crop: 4 },
      },
      'c.json',
    )
    expect(config).toMatchObject({
      epochs: 3,
      batchSize: 64,
      optimizer: { name: 'sgd', learningRate: 0.5, momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
      schedule: { name: 'multiStep', milestones: [0.5, 0.75], gamma: 0.1 },
      sos: { batchSize: 300, everyEpochs: 2 },
      augment: { flip: true, crop: 4 },
      seed: 0,
      device: 'cpu',
    })
  })

  it('may have no prototype', () => {
    const document = Object.assign(Object.create(null), { ...least, sos: Object.create(null) })
    expect(parseConfig(document, 'c.json')).toEqual(parseConfig(least, 'c.json'))
  })

  it('takes another optimizer whole', () => {
    const config = parseConfig({ ...least, optimizer: { name: 'adamW' } }, 'c.json')
    expect(config.optimizer).toEqual({ name: 'adamW' })
  })

  it('has presets that are right, and say where they come from', () => {
    for (const [preset, { about }] of Object.entries(trainingPresets)) {
      expect(() => parseConfig({ ...least, preset }, 'c.json')).not.toThrow()
      expect(about.length).toBeGreaterThan(20)
    }
  })

  it.each([
    [{ ...least, epoch: 3 }, 'epoch is not a setting; did you mean epochs?'],
    [{ ...least, sos: { bacthSize: 3 } }, 'sos.bacthSize is not a setting; did you mean batchSize?'],
    [
      { ...least, optimizer: { lerningRate: 1 } },
      'optimizer.lerningRate is not a setting; did you mean learningRate?',
    ],
    [{ ...least, probes: { sampels: 1 } }, 'probes.sampels is not a setting; did you mean samples?'],
    [{ ...least, xyzzy: 1 }, 'xyzzy is not a setting; known: preset, model'],
    [{ ...least, preset: 'papr' }, 'for preset but received "papr"; did you mean paper?'],
    [{ ...least, epochs: '3' }, 'epochs: '],
    [{ ...least, epochs: 0 }, 'epochs: '],
    [{ ...least, optimizer: { name: 'lbfgs' } }, 'optimizer.name: '],
    [{ ...least, sos: { rank: 'best' } }, 'best'],
    [{ model: 'm.pt' }, 'train: '],
    ...['toString', 'constructor', '__proto__', 'hasOwnProperty'].map(
      (preset) => [{ ...least, preset }, `for preset but received "${preset}"`] as [unknown, string],
    ),
    [{ ...least, preset: null }, 'for preset but received null'],
    [{ ...least, preset: ['paper'] }, 'for preset but received an array'],
    [{ ...least, preset: 10n }, 'for preset but received 10n'],
    [{ ...least, preset: circle() }, 'nested deeper than 10 levels'],
    [{ ...least, sos: circle() }, 'nested deeper than 10 levels'],
    [{ ...least, toString: 1 }, 'toString is not a setting'],
    [{ ...least, sos: { constructor: 1 } }, 'sos.constructor is not a setting'],
    [
      JSON.parse('{ "__proto__": { "model": "m.pt", "train": "cifar10:d:train" }, "preset": "paper" }'),
      '__proto__',
    ],
    [
      JSON.parse('{ "preset": "paper", "model": "m.pt", "train": "t", "sos": { "__proto__": {} } }'),
      'sos: __proto__',
    ],
    [Object.create(least), 'expected a plain object with settings'],
    [Object.create(Object.assign(Object.create(null), least)), 'expected a plain object with settings'],
    [{ ...least, sos: Object.create({ batchSize: 3 }) }, 'sos: expected a plain object with settings'],
    [new Map(Object.entries(least)), 'expected a plain object with settings'],
    [[], 'expected an object with settings but received an array'],
    [null, 'received null'],
  ])('refuses %o', (document: unknown, message: string) => {
    let error: { code?: string; message?: string } = {}
    try {
      parseConfig(document, 'c.json')
    } catch (caught) {
      error = caught as typeof error
    }
    expect(error.message).toContain(message)
    expect(error.code).toMatch(/^ERR_(CONFIG|RANK_POLICY)$/)
  })

  it.each([
    ['sgd', { name: 'sgd' }],
    ['sgd+sos', { name: 'sgd' }],
    ['sam', { name: 'sam', rho: 0.05, base: { name: 'sgd', maxNorm: 2 } }],
    ['sam+sos', { name: 'sam', rho: 0.05, base: { name: 'sgd', maxNorm: 2 } }],
  ] as const)('makes the optimizer of the scheme %s', (scheme, description) => {
    const config = parseConfig({ ...least, clipNorm: 2, augment: { crop: 2, mixup: 0.5 } }, 'c.json')
    const options = trainerOptions(config, scheme, 7)
    expect(options.optimizer.description).toMatchObject(description)
    expect(options.optimizer.learningRate).toBe(0.1)
    expect(options.seed).toBe(7)
    expect(options.augment!.map(({ description }) => description.name)).toEqual(['randomCrop', 'randomFlip'])
    expect(options.mixup!.description).toEqual({ name: 'mixup', alpha: 0.5 })
    const place = { epoch: 225, batch: 0, batchesPerEpoch: 10, epochs: 300 }
    expect(options.schedule!.factor(place)).toBeCloseTo(0.01, 12)
  })

  it('gives a trainer what it says of precision, layout, outputs and the last images', () => {
    const settings = { autocast: 'bfloat16', outputs: 'probabilities', channelsLast: false, dropLast: true }
    const options = trainerOptions(parseConfig({ ...least, ...settings, epochs: 4 }, 'c.json'), 'sgd', 0)
    expect(options).toMatchObject({ ...settings, epochs: 4, batchSize: 64, device: 'cpu' })
    const plain = trainerOptions(parseConfig(least, 'c.json'), 'sgd', 0)
    expect(plain).toMatchObject({ channelsLast: true, dropLast: false })
    expect(['autocast', 'outputs', 'mixup'].filter((name) => name in plain)).toEqual([])
  })

  it.each([
    [{ name: 'constant', warmUp: 1 }, [0.7, 1, 1, 1]], // half of the rise from a third, and its end
    [
      { name: 'cosine', minimum: 0.5 },
      [1, 0.5 + 0.25 * (1 + Math.SQRT1_2), 0.75, 0.5 + 0.25 * (1 - Math.SQRT1_2)],
    ],
    [{ name: 'multiStep', milestones: [1, 0.75], gamma: 0.5 }, [1, 0.5, 0.5, 0.25]],
  ])('makes the schedule of %j', (schedule, expected) => {
    const { schedule: made } = trainerOptions(parseConfig({ ...least, schedule }, 'c.json'), 'sgd', 0)
    const rises = 'warmUp' in schedule
    const factors = expected.map((_, epoch) =>
      made!.factor({ epoch, batch: rises ? 11 : 0, batchesPerEpoch: 20, epochs: 4 }),
    )
    // After 11 of 20 batches: 1/3 + 2/3 · 11/20.
    expect(factors).toEqual(expected.map((factor) => expect.closeTo(factor, 12)))
  })

  it('makes the optimizers that it names', () => {
    const made = (settings: object, scheme: 'sgd' | 'sam') =>
      trainerOptions(parseConfig({ ...least, ...settings }, 'c.json'), scheme, 0).optimizer
    expect(made({ optimizer: { name: 'adam', learningRate: 0.2 } }, 'sgd').description).toMatchObject({
      name: 'adam',
    })
    const adaptive = { optimizer: { name: 'adamW', learningRate: 0.2 }, sam: { adaptive: true, rho: 2 } }
    expect(made(adaptive, 'sam').description).toMatchObject({ name: 'asam', rho: 2, base: { name: 'adamW' } })
    expect(made(adaptive, 'sam').learningRate).toBe(0.2)
  })

  it('is distinguished from another one by the first place where they differ', () => {
    expect(difference({ a: 1, b: { c: [1, 2] } }, { b: { c: [1, 2] }, a: 1 })).toBe(null)
    expect(difference({ a: 1, b: { c: [1, 2] } }, { a: 1, b: { c: [1, 3] } })).toBe(
      'b.c was [1,2] and is [1,3]',
    )
    expect(difference({ a: 1 }, { a: 1, b: 'x' })).toBe('b was undefined and is "x"')
    expect(difference({ a: { b: 1 } }, { a: 5 })).toBe('a was {"b":1} and is 5')
    expect(difference({ a: null }, { a: { b: 1 } })).toBe('a was null and is {"b":1}')
    expect(difference({ a: [1] }, { a: { 0: 1 } })).toBe('a was [1] and is {"0":1}')
  })

  it('goes with a preset that names the same optimizer, and needs none', () => {
    const config = parseConfig({ ...least, optimizer: { name: 'sgd', learningRate: 0.5 } }, 'c.json')
    expect(config.optimizer).toEqual({
      name: 'sgd',
      learningRate: 0.5,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 1e-4,
    })
    const { preset: _, ...bare } = least
    const alone = { ...bare, epochs: 2, batchSize: 4, optimizer: { name: 'sgd', learningRate: 1 } }
    expect(parseConfig(alone, 'c.json')).toEqual({
      ...alone,
      device: 'cpu',
      seed: 0,
      sam: {},
      sos: {},
      augment: {},
      channelsLast: true,
      deterministic: true,
      dropLast: false,
      evaluate: {},
      probes: null,
      checkpoints: {},
    })
    expect(parseConfig({ ...least, probes: { samples: 4 }, augment: {} }, 'c.json')).toMatchObject({
      probes: { samples: 4 },
      augment: { flip: true },
    })
    expect(parseConfig({ ...least, schedule: { name: 'cosine' } }, 'c.json').schedule).toEqual({
      name: 'cosine',
    })
  })

  it('is refused by what the optimizer says of its numbers, with the file', () => {
    const { preset: _, ...bare } = least
    const optimizer = { name: 'sgd', learningRate: 1, nesterov: true }
    const wrong = { ...bare, epochs: 2, batchSize: 4, optimizer }
    expect(() => parseConfig(wrong, 'c.json')).toThrow(
      expect.objectContaining({
        code: 'ERR_CONFIG',
        message: expect.stringMatching(/^c\.json: .*[Nn]esterov/),
        cause: expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      }),
    )
    expect(() => parseConfig(least, 5 as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('file') }),
    )
  })

  it('that is wrong in many places tells the first twenty', () => {
    const keys = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`wrong${i}`, 1]))
    const messageOf = (document: object) => {
      try {
        parseConfig(document, 'c.json')
      } catch (error) {
        return (error as Error).message
      }
      throw new Error('it was taken')
    }
    const told = (count: number) => messageOf({ ...least, ...keys(count) })
    expect(told(25).startsWith('c.json: ')).toBe(true)
    for (const [count, shown, more] of [
      [19, 19, false],
      [20, 20, false],
      [21, 20, true],
      [25, 20, true],
    ] as const) {
      expect(told(count).match(/\bwrong\d+\b/g)).toHaveLength(shown)
      expect(told(count).endsWith('…')).toBe(more)
    }
    expect(messageOf({ ...least, epochs: 0, batchSize: 0 })).toMatch(
      /epochs: .*; .*batchSize: |batchSize: .*; .*epochs: /,
    )
  })
})
