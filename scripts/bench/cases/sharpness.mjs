import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { compare, relativeDifference } from '../statistics.mjs'

export const description =
  'eigenvalues, traces and landscapes, compared with PyHessian, scipy, curvlinops and loss-landscape; one thread'
export const threads = 1

/** How many images the networks are measured on. */
const sizes = { resnet: 64, demo: 256 }

/**
 * The cases: the ratio that each should reach, how far the results may differ, and the most rounds, because an iteration of some takes
 * minutes. With `variance` the figure is the variance of the result times the seconds, which does not depend on the number of probes.
 */
const kinds = {
  'top 5 eigenvalues, PyHessian': { target: 2.5, tolerance: 0.2, rounds: 3 },
  'top 100 eigenvalues, PyHessian': { target: 8, tolerance: 0.5, rounds: 1 },
  'top 100 eigenvalues, scipy eigsh': { target: 1, tolerance: 1e-3, rounds: 1 },
  'difference of two heads, paired Hutchinson': { target: 200, rounds: 3, variance: true },
  'trace, 48 products of Hutch++': { target: 1, tolerance: 0.2, rounds: 3 },
  'point of a landscape': { target: 1.5, tolerance: 1e-3, rounds: 5 },
  'point before and after': { target: 3, tolerance: 1e-3, rounds: 5 },
}

/** Both sides take turns. For eigenvalues, the error of each side against float64 is reported too. */
export async function measure(context) {
  const { reference, ours } = await context.startBoth()
  const rows = []
  for (const name of context.select(Object.keys(kinds))) {
    const kind = kinds[name]
    const rounds = Math.min(context.rounds, kind.rounds)
    const samples = { reference: [], ours: [] }
    const results = {}
    for (let round = 0; round < rounds; round++) {
      const both = Object.entries({ reference, ours })
      for (const [side, child] of round % 2 === 0 ? both : both.toReversed()) {
        const { seconds } = await child.request({ case: name, iterations: 1 })
        const { values } = await child.request({ result: name })
        results[side] = values
        // [value, variance] of an estimate
        samples[side].push(kind.variance ? seconds * values[1] : seconds)
        context.log(`${name}, round ${round + 1}, ${side}: ${seconds.toFixed(2)} s`)
      }
    }
    const row = {
      case: name,
      unit: kind.variance ? 'variance·s' : 's',
      ...compare(samples),
      rounds,
      target: kind.target,
    }
    rows.push({ ...row, also: await checkedResults(name, kind, results, reference, context) })
  }
  return rows
}

/** What is told beside the ratio. Throws if the results of both sides are not the same. */
async function checkedResults(name, kind, { reference, ours }, child, context) {
  if (kind.variance) {
    const apart = Math.abs(reference[0] - ours[0]) / Math.sqrt(reference[1] + ours[1])
    if (apart > 5) throw new Error(`${name}: the results are ${apart} standard errors apart`)
    return { 'standard errors apart': apart }
  }
  const count = /top (\d+)/.exec(name)?.[1]
  const isCurve = count === undefined
  const difference = relativeDifference(...[reference, ours].map((all) => (isCurve ? all : all.slice(1))))
  if (!(difference <= kind.tolerance)) {
    throw new Error(
      `${name}: expected results within ${kind.tolerance} of each other but they are ${difference} apart`,
    )
  }
  if (isCurve) return { 'relative difference': difference }
  context.log(`${name}: the same in float64 …`)
  await child.request({ case: `top ${count} in float64`, iterations: 1 })
  const truth = (await child.request({ result: `top ${count} in float64` })).values
  const errorOf = ([, ...values]) => Math.max(...truth.map((value, i) => Math.abs(values[i] / value - 1)))
  return {
    'products, reference': reference[0],
    'products, ours': ours[0],
    'error, reference': errorOf(reference),
    'error, ours': errorOf(ours),
  }
}

/** Installs what Python compares with, brings CIFAR-10, and writes the networks and images as both sides read them. */
export function prepare({ root, python, folder, log }) {
  const place = join(folder(), 'sharpness')
  const packages = join(place, 'python')
  mkdirSync(place, { recursive: true })
  const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 2, 2] })
  if (!existsSync(join(packages, 'pyhessian'))) {
    log('installing PyHessian, scipy and curvlinops …')
    const list = join(root, 'scripts/bench/requirements-sharpness.txt')
    run(python, '-m', 'pip', 'install', '--quiet', '--no-deps', '--target', packages, '--requirement', list)
  }
  const cifar = join(root, 'build/cifar-10-batches-bin')
  if (!existsSync(cifar))
    run(process.execPath, join(root, 'dist/cli/main.js'), 'data', 'fetch', 'cifar10', '--to', cifar)
  // Real weights are not part of the project; without them it is a network with random ones.
  const weights = process.env.SOS_DATA_ROOT && join(process.env.SOS_DATA_ROOT, 'checkpoints/resnet20.ts.pt')
  const known = weights && existsSync(weights) ? [weights] : []
  log(known.length > 0 ? 'ResNet-20 with the weights of SOS_DATA_ROOT' : 'ResNet-20 with random weights')
  run(
    python,
    join(root, 'scripts/bench/cases/sharpness_inputs.py'),
    place,
    cifar,
    join(root, 'assets'),
    ...known,
  )
  const [demo, shifted] = [join(root, 'assets/fashion-resnet.pt'), join(place, 'shifted.pt')]
  const train = `idx:${join(root, 'assets/fashion-mnist')}:train`
  const shift = ['shift', demo, '--data', train, '--batch-size', '50', '--out', shifted, '--json']
  execFileSync(process.execPath, [join(root, 'dist/cli/main.js'), ...shift], {
    stdio: ['ignore', 'ignore', 2],
  })
  return { place, packages, sizes, demo, shifted }
}

export async function cases({ place, sizes, demo, shifted: after }) {
  const { ScriptModule, scope, torch } = await import('../../../dist/index.js')
  const sharpness = await import('../../../dist/sharpness/index.js')
  const { loadStateDict } = await import('../../../dist/torch/index.js')
  const tensors = await loadStateDict(join(place, 'inputs.safetensors'))
  const datasetOf = (name, dtype = 'float32') => {
    const [images, labels] = ['images', 'labels'].map((kind) => tensors.get(`${name}.${kind}`))
    const at = (indices) => images.index_select(0, torch.tensor([...indices], { dtype: 'int64' })).to(dtype)
    return {
      name,
      size: images.shape[0],
      classes: Array.from({ length: 10 }, (_, i) => `${i}`),
      labels: Int32Array.from(labels.toArray(), Number),
      load: async (indices) => ({ images: at(indices), indices, skipped: [] }),
    }
  }
  const resnet = await ScriptModule.load(join(place, 'resnet20.pt'))
  const cifar = datasetOf('cifar')
  const all = Array.from({ length: sizes.resnet }, (_, i) => i)
  const eigenvalues = async (count, model = resnet, data = cifar, more = {}) => {
    const operator = sharpness.hessian(model, data, all)
    const found = await sharpness.topEigenvalues(operator, { count, end: 'magnitude', ...more })
    operator.dispose()
    return { values: [found.products, ...found.eigenvalues.map(({ value }) => value)] }
  }
  const kept = (work) => {
    let last
    return {
      run: async (n) => {
        for (let i = 0; i < n; i++) last = await scope(work)
      },
      result: () => torch.tensor(last, { dtype: 'float64' }),
    }
  }
  const fashion = datasetOf('fashion')
  const [model, shifted] = await Promise.all([ScriptModule.load(demo), ScriptModule.load(after)])
  const head = (of) => ({
    weight: of.namedParameters().get('fc.weight'),
    bias: of.namedParameters().get('fc.bias'),
  })
  const samples = sizes.demo
  let seed = 0 // each round takes other probes
  const grid = 7
  const { weight, bias } = head(resnet)
  const other = { weight: torch.noGrad(() => weight.mul(0.9)), bias }
  const surfaces = (heads) => async () => {
    const found = await sharpness.landscape(resnet, heads, cifar, { grid, samples: sizes.resnet })
    return found.surfaces.flatMap(({ loss }) => loss.flat())
  }
  const top100 = kept(async () => (await eigenvalues(100)).values)
  return {
    'top 5 eigenvalues, PyHessian': kept(async () => (await eigenvalues(5)).values),
    'top 100 eigenvalues, PyHessian': top100,
    'top 100 eigenvalues, scipy eigsh': kept(async () => (await eigenvalues(100)).values),
    'difference of two heads, paired Hutchinson': kept(async () => {
      seed++
      const found = await sharpness.compareHeads(model, 'fc', [head(shifted)], fashion, {
        samples,
        probes: 4,
        seed,
      })
      const [{ value, probeStandardError }] = found.differences
      return [value, probeStandardError ** 2]
    }),
    'trace, 48 products of Hutch++': kept(async () => {
      return [(await sharpness.perSampleTrace(model, fashion, { samples, probes: 'exact' })).value]
    }),
    'point of a landscape': kept(surfaces([])),
    'point before and after': kept(surfaces([other])),
    // Only Python computes what the errors are measured against.
    'top 5 in float64': { run() {} },
    'top 100 in float64': { run() {} },
  }
}
