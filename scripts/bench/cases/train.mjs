import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { compareCases } from '../rounds.mjs'
import { bounded, median, memoryCourse } from '../statistics.mjs'

export const description =
  'training on images of 32 × 32 with its data pipeline, compared with PyTorch, untuned (stock) and tuned; SAM, SOS, memory'

/** The numbers of images in an epoch at `--scale 1`, and in a step. */
const networks = {
  'ResNet-20': { file: 'resnet20', images: 1920, batchSize: 64 },
  'wide small': { file: 'wide_small', images: 3840, batchSize: 64 },
  'DenseNet-121': { file: 'densenet121', images: 192, batchSize: 64 },
  LeNet: { file: 'lenet', images: 4800, batchSize: 16 },
}

export const targets = {
  'ResNet-20 stock': 1.15,
  'ResNet-20 tuned': 1.0,
  'wide small stock': 1.15,
  'wide small tuned': 1.0,
  'DenseNet-121 tuned': 1.0,
  'LeNet small': 1.3,
}

/** For the loss on the first images, with the same weights in train mode. */
export const tolerance = 1e-4

/** What a training may cost in addition to its steps. Each of these rows compares our side with a bound. */
const costs = {
  'SAM, in SGD steps': { unit: 'steps', bound: 2.1, floor: 1, measure: samInSteps },
  'SOS of 300 images, of an epoch of 50,000': { unit: '%', bound: 1, floor: 0.01, measure: sosShare },
  'memory, 20 epochs': { unit: 'MB grown', bound: 16, floor: 1, measure: growth },
}

const figure = { unit: 's/epoch', of: (seconds) => seconds }

export async function measure(context) {
  const names = [...Object.keys(targets), ...Object.keys(costs)]
  const chosen = context.select(names)
  const compared = chosen.some((name) => name in targets)
  const rows = compared ? await compareCases({ targets, tolerance, figure }, context) : []
  for (const name of chosen.filter((name) => name in costs)) {
    const { unit, bound, floor, measure } = costs[name]
    const { child } = await context.startOurs({ ...prepare(context), costs: true })
    const { ours, also } = await measure(child, context)
    await child.stop()
    rows.push({ case: name, unit, ...bounded({ bound, ours, floor }), also })
    context.log(`${name}: ${ours.toFixed(3)}`)
  }
  return rows
}

const secondsOf = async (child, name) => (await child.request({ case: name, iterations: 1 })).seconds

async function samInSteps(child, { rounds }) {
  const [sgd, sam] = [[], []]
  for (let round = -1; round < rounds; round++) {
    const [a, b] = [await secondsOf(child, 'sgd'), await secondsOf(child, 'sam')]
    if (round < 0) continue // warm-up
    sgd.push(a)
    sam.push(b)
  }
  return { ours: median(sam) / median(sgd), also: { 'SGD s/epoch': median(sgd), 'SAM s/epoch': median(sam) } }
}

async function sosShare(child, { rounds }) {
  const [epochs, shifts] = [[], []]
  for (let round = -1; round < rounds; round++) {
    const epoch = await secondsOf(child, 'sgd')
    const shift = await secondsOf(child, 'shift')
    if (round < 0) continue
    epochs.push(epoch)
    shifts.push(shift)
  }
  const { images } = networks['wide small']
  const whole = (median(epochs) * 50_000) / images
  return {
    ours: (100 * median(shifts)) / whole,
    also: { 'shift ms': 1e3 * median(shifts), 'epoch s': whole },
  }
}

async function growth(child) {
  const { value } = await child.request({ case: 'memory', iterations: 20 })
  const { growth, early, final } = memoryCourse(value)
  return { ours: growth, also: { early, final } }
}

/** Makes the networks, and for each epoch's size a file of random images in CIFAR-10's format. */
export function prepare({ root, python, folder, scale }) {
  const place = join(folder(), 'train')
  mkdirSync(place, { recursive: true })
  const files = {}
  for (const [name, { file, images, batchSize }] of Object.entries(networks)) {
    const model = join(place, `${file}.pt`)
    if (!existsSync(model)) {
      const script = join(root, 'scripts/export/export_cifar.py')
      execFileSync(python, [script, file, '--classes', '10', '--out', model], {
        stdio: ['ignore', 'ignore', 2],
      })
    }
    const count = Math.max(2 * batchSize, Math.round(images * scale))
    files[name] = { model, data: randomFile(place, count), batchSize, network: file }
  }
  return { files }
}

/** The path of a file with `count` random images in CIFAR-10's format. It is made if it does not exist. */
export function randomFile(place, count) {
  const path = join(place, `${count}.bin`)
  if (!existsSync(path)) writeFileSync(path, randomRecords(count))
  return path
}

/** CIFAR-10's records: a label and 3,072 bytes. A linear congruential generator makes them, so that all runs see the same. */
function randomRecords(count) {
  const bytes = new Uint8Array(count * 3073)
  let state = 1
  for (let i = 0; i < bytes.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = i % 3073 === 0 ? (state >>> 24) % 10 : state >>> 24
  }
  return bytes
}

/**
 * The cases for the rows of `targets`, in their order, or those from which the rows of `costs` are computed. gpu.mjs passes other
 * titles, the names of its files, and for each of them changes of the trainer's options.
 */
export async function cases({
  files,
  costs = false,
  device = 'cpu',
  titles = Object.keys(targets),
  changes = {},
}) {
  const sos = await import('../../../dist/index.js')
  const { cifar10, preprocessOf, randomCrop, randomFlip, ScriptModule, sgd, Trainer } = sos
  const optimizer = sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 1e-4 })
  const load = async (name) => {
    const { model: file, data, batchSize } = files[name]
    const model = await ScriptModule.load(file, { device })
    await model.to({ memoryFormat: 'channels_last' })
    return { model, dataset: await cifar10(data, null, preprocessOf(model)), batchSize }
  }
  const training = ({ model, dataset, batchSize }, epochs, changes = {}) =>
    new Trainer(model, {
      data: dataset,
      epochs,
      batchSize,
      optimizer,
      augment: [randomCrop(4), randomFlip()],
      channelsLast: true,
      ...changes,
    })
  if (costs) return costCases(sos, await load('wide small'), training, optimizer)

  const made = {}
  for (const title of titles) {
    const name = title in files ? title : title.replace(/ (stock|tuned|small)$/, '')
    const loaded = await load(name)
    made[title] = {
      run: async (n) => void (await training(loaded, n, changes[title]).run()),
      result: () => firstLoss(sos, files[name], loaded, device, changes[title]?.autocast),
    }
  }
  return made
}

async function costCases(sos, loaded, training, optimizer) {
  const { sam, shiftOptimum } = sos
  const epochs = (changes) => async (n) => void (await training(loaded, n, changes).run())
  return {
    sgd: { run: epochs({}) },
    sam: { run: epochs({ optimizer: sam(optimizer) }) },
    shift: {
      async run(n) {
        for (let i = 0; i < n; i++)
          await shiftOptimum(loaded.model, loaded.dataset, { batchSize: 300, seed: i })
      },
    },
    memory: {
      async run(n) {
        const resident = []
        const trainer = training(loaded, n)
        trainer.on('epochEnd', () => void resident.push(process.memoryUsage.rss()))
        await trainer.run()
        return resident
      },
    },
  }
}

/** The loss in train mode, with the weights of the file, on the first images without augmentation. */
function firstLoss(sos, { model: file, batchSize }, { dataset }, device, dtype) {
  const { ScriptModule, scope, torch } = sos
  const { autocast, noGrad } = torch
  return noGrad(() =>
    scope(async () => {
      const model = (await ScriptModule.load(file, { device })).train()
      const indices = [...Array(batchSize).keys()]
      const { images } = await dataset.load(indices)
      const labels = torch.tensor([...dataset.labels.subarray(0, batchSize)], { dtype: 'int64' })
      const forward = () => model.forward(images.to({ device }))
      const logits = await (dtype === undefined
        ? forward()
        : autocast({ device: device.split(':')[0], dtype }, forward))
      return torch.cross_entropy_loss(logits.to('float32'), labels.to({ device })).view([1])
    }),
  )
}
