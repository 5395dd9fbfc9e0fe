import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { photographs } from '../photographs.mjs'
import { cases as hvpCases } from './hvp.mjs'
import { cases as operatorCases } from './ops.mjs'
import { randomFile, cases as trainingCases } from './train.mjs'

export const description =
  'usual work on a GPU, compared with PyTorch on the same device: training, evaluation, Hessian-vector products, operators, a shift, transfers; needs --device'
export const onDevice = true

const trainings = {
  'train ResNet-18, float32': { network: 'resnet18', batchSize: 128, batches: 24 },
  'train ResNet-18, bfloat16': { network: 'resnet18', batchSize: 128, batches: 24, autocast: 'bfloat16' },
  'train LeNet': { network: 'lenet', batchSize: 16, batches: 200 },
}
/** Evaluations of images in memory, float32, as many as a forward takes. */
const evaluations = {
  'evaluate ResNet-50, float32': {},
  'evaluate ResNet-50, bfloat16': { autocast: 'bfloat16' },
}
const fromFiles = 'evaluate ResNet-50, JPEG files'
const products = 'HVP of ResNet-20'
const operators = 'chain of 10 operators, 64×64'
const shift = 'V* of 300 rows, 2,048 inputs'
const transfer = 'to the device, 38 MB'

/** The number of images at `--scale 1`. A smaller scale means shorter epochs and fewer images. */
const evaluated = 512
const evaluationBatch = 256
const productBatch = 256

/** A rehearsal (`--scale` below a hundredth) also has small batches, so that it ends on a CPU. */
const rehearsal = 0.01
const rehearsed = { batchSize: 4, images: 4 }

/** How far the results may differ if the two sides do not compute in plain float32: TF32 and bfloat16 round in different orders. */
export const tolerances = {
  ...Object.fromEntries(Object.keys(trainings).map((name) => [name, 2e-2])),
  ...Object.fromEntries([...Object.keys(evaluations), fromFiles].map((name) => [name, 2e-2])),
  [products]: 1e-2,
  [operators]: 1e-3,
}

export let figures = {}

/** Makes the networks, bytes in CIFAR-10's format and JPEG files. */
export function prepare(context) {
  const { root, python, folder, scale, device, log } = context
  const place = join(folder(), 'gpu')
  mkdirSync(place, { recursive: true })
  const exported = (script, name, ...args) => {
    const out = join(place, `${name}.pt`)
    if (existsSync(out)) return out
    log(`exporting ${name} …`)
    execFileSync(python, [join(root, 'scripts/export', script), name, ...args, '--out', out], {
      stdio: ['ignore', 'ignore', 2],
    })
    return out
  }
  const files = {}
  for (const [name, { network, batchSize, batches }] of Object.entries(trainings)) {
    const size = scale < rehearsal ? rehearsed.batchSize : batchSize
    const count = size * Math.max(1, Math.round(batches * scale))
    const model = exported('export_cifar.py', network, '--classes', '10')
    files[name] = { model, network, batchSize: size, data: randomFile(place, count), count }
  }
  const count = Math.max(rehearsed.images, Math.round(evaluated * scale))
  const images = photographs(context, count)
  const resnet50 = exported('export_torchvision.py', 'resnet50', '--calibrate', images)
  const resnet20 = exported('export_cifar.py', 'resnet20', '--classes', '10')
  figures = rates(files, count)
  const batch = scale < rehearsal ? rehearsed.batchSize : productBatch
  return { device, files, images, count, resnet50, model: resnet20, batch }
}

function rates(files, evaluated) {
  const imagesOf = (count) => ({ unit: 'img/s', of: (seconds) => count / seconds })
  return {
    ...Object.fromEntries(Object.entries(files).map(([name, { count }]) => [name, imagesOf(count)])),
    ...Object.fromEntries(
      [...Object.keys(evaluations), fromFiles].map((name) => [name, imagesOf(evaluated)]),
    ),
    [operators]: { unit: 'µs', of: (seconds) => seconds * 1e6 },
    [transfer]: { unit: 'GB/s', of: (seconds) => (64 * 3 * 224 * 224 * 4) / seconds / 1e9 },
  }
}

export async function cases(prepared) {
  const sos = {
    ...(await import('../../../dist/index.js')),
    ...(await import('../../../dist/shift/index.js')),
  }
  const { device } = prepared
  const made = {
    ...(await trained(prepared)),
    ...(await evaluatedCases(sos, prepared)),
    [products]: (await hvpCases(prepared))['both keep the graph'],
    [operators]: (await operatorCases(prepared))['chain of 10, 64×64'],
    ...solving(sos, device),
  }
  if (device !== 'cpu') for (const one of Object.values(made)) one.run = synchronized(sos, one.run)
  return made
}

/** Waits for the GPU at the end, since its work may still be running when a call returns. */
function synchronized({ torch }, run) {
  return async (n) => {
    const value = await run(n)
    await torch.cuda.synchronize()
    return value
  }
}

async function trained({ files, device }) {
  const changes = Object.fromEntries(
    Object.entries(trainings).map(([name, { autocast }]) => [
      name,
      autocast === undefined ? {} : { autocast },
    ]),
  )
  return trainingCases({ files, device, titles: Object.keys(trainings), changes })
}

async function evaluatedCases(sos, { resnet50, images, count, device }) {
  const { evaluate, imageFolder, preprocessOf, ScriptModule, torch } = sos
  const { autocast, Generator } = torch
  const model = await ScriptModule.load(resnet50, { device })
  const batchSize = Math.min(evaluationBatch, count)
  const pixels = torch.randn([batchSize, 3, 224, 224], { generator: new Generator(5) })
  const memory = {
    name: 'normal numbers',
    size: count,
    classes: Array.from({ length: 1000 }, (_, i) => String(i)),
    labels: Int32Array.from({ length: count }, (_, i) => i % 1000),
    load: async (indices) => ({ images: pixels.narrow(0, 0, indices.length), indices, skipped: [] }),
  }
  const folder = await imageFolder(images, preprocessOf(model))
  const evaluation = (dataset, dtype) => {
    const once = () => evaluate(model, dataset, { limit: count, chunk: batchSize })
    const kind = device.split(':')[0]
    const run = async (n) => {
      let last
      for (let i = 0; i < n; i++) {
        last = await (dtype === undefined ? once() : autocast({ device: kind, dtype }, once))
      }
      return last.loss
    }
    return { run, result: async () => torch.tensor([await run(1)], { dtype: 'float64' }) }
  }
  return {
    ...Object.fromEntries(
      Object.entries(evaluations).map(([name, { autocast: dtype }]) => [name, evaluation(memory, dtype)]),
    ),
    [fromFiles]: evaluation(folder, undefined),
  }
}

function solving({ scope, solveShift, torch }, device) {
  const generator = new torch.Generator(1)
  const a = torch.randn([300, 2048], { generator }).to({ device })
  const v = torch.randn([2048, 1000], { generator }).to({ device })
  const solve = async () => (await solveShift(a, v, null)).weight
  const host = torch.ones([64, 3, 224, 224])
  return {
    [shift]: {
      async run(n) {
        for (let i = 0; i < n; i++) await scope(() => solve().then(() => {}))
      },
      result: solve,
    },
    [transfer]: {
      run(n) {
        for (let i = 0; i < n; i++) host.to({ device, copy: true }).dispose()
      },
      result: () => host.to({ device, copy: true }).sum().reshape([1]),
    },
  }
}
