import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { makePhotographs } from '../photographs.mjs'
import { compare, relativeDifference } from '../statistics.mjs'

export const description =
  'a study of 3 batch sizes × 5 draws, compared with 16 evaluations by a script in the style of torchvision; ResNet-18'
const name = 'ResNet-18, 3 batch sizes × 5 draws'
export const targets = { [name]: 12 }

/** A hundredth of ImageNet's 50,000 validation images and of batches of 1000, 1500 and 2000. This is `--scale 1`. */
const images = 500
const batchSizes = [10, 15, 20]
const seeds = [0, 1, 2, 3, 4]

/** The pixels of both sides differ by at most one level, and the losses of 500 images by less than this. */
const tolerance = 1e-3

/** Rounds of one study and 16 evaluations. An iteration takes minutes, so the results of the timed iterations are compared. */
export async function measure(context) {
  context.select([name])
  const { reference, ours } = await context.startBoth()
  const both = [
    { side: 'reference', child: reference },
    { side: 'ours', child: ours },
  ]
  const seconds = { reference: [], ours: [] }
  const losses = {}
  for (let round = 0; round < context.rounds; round++) {
    for (const { side, child } of round % 2 === 0 ? both : both.toReversed()) {
      seconds[side].push((await child.request({ case: name, iterations: 1 })).seconds)
      losses[side] = (await child.request({ result: name })).values
      context.log(`round ${round + 1}, ${side}: ${seconds[side].at(-1).toFixed(1)} s`)
    }
    const difference = relativeDifference(losses.reference, losses.ours)
    if (!(difference <= tolerance)) {
      throw new Error(
        `expected the losses of the reference within ${tolerance} but they are ${difference} off`,
      )
    }
  }
  const { rounds } = context
  const row = { case: name, unit: 's', ...compare(seconds), rounds, target: targets[name] }
  return [{ ...row, relativeDifference: relativeDifference(losses.reference, losses.ours) }]
}

/** Makes the images, the network, and with `sos shift` the 15 shifted networks, which the reference only evaluates. */
export function prepare({ root, python, scale, folder, log }) {
  const place = join(folder(), 'study')
  mkdirSync(place, { recursive: true })
  const run = (command, ...args) => execFileSync(command, args, { stdio: ['ignore', 'ignore', 2] })
  const count = Math.max(10 * batchSizes.at(-1), Math.round(images * scale))
  log('making images …')
  const { train, val } = makePhotographs({ root, python }, place, { train: 500, val: count })
  const original = join(place, 'resnet18.pt')
  if (!existsSync(original))
    run(python, join(root, 'scripts/export/export_torchvision.py'), 'resnet18', '--out', original)
  log('shifting 15 networks …')
  const shifted = batchSizes.flatMap((batchSize) =>
    seeds.map((seed) => {
      const out = join(place, `resnet18.${batchSize}.${seed}.pt`)
      const options = ['--batch-size', String(batchSize), '--seed', String(seed), '--out', out]
      run(
        process.execPath,
        join(root, 'dist/cli/main.js'),
        'shift',
        original,
        '--data',
        `imagefolder:${train}`,
        ...options,
      )
      return out
    }),
  )
  return { train, val, count, networks: [original, ...shifted] }
}

/** @returns the case; its result is the list of losses on the validation images, before the shifts and for each shift */
export async function cases({ train, val, count, networks }) {
  const { openDataset, preprocessOf, runStudy, ScriptModule, torch } = await import('../../../dist/index.js')
  let losses
  return {
    [name]: {
      async run(n) {
        for (let i = 0; i < n; i++) {
          const model = await ScriptModule.load(networks[0])
          const recipe = preprocessOf(model)
          const [training, validation] = await Promise.all(
            [train, val].map((folder) => openDataset(`imagefolder:${folder}`, recipe)),
          )
          const options = { batchSizes, draws: seeds.length, limit: count }
          const { before, rows } = await runStudy(model, training, validation, options)
          losses = [before, ...rows.map(({ score }) => score)].map(({ loss }) => loss)
        }
      },
      result: () => torch.tensor(losses, { dtype: 'float64' }),
    },
  }
}
