import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { photographs } from '../photographs.mjs'
import { compareCases } from '../rounds.mjs'

export const description =
  'JPEG files to top-1, beside torchvision-style scripts as people run them (stock) and tuned, on the same cores'

/** The multiply-adds of one image are those of torchvision's table of its published weights. */
const networks = {
  'ResNet-50': { file: 'resnet50', multiplyAdds: 4.089e9 },
  'ShuffleNetV2 x2.0': { file: 'shufflenet_v2_x2_0', multiplyAdds: 0.583e9 },
}
const kinds = ['stock', 'tuned']

/** Images of one evaluation at `--scale 1`. */
const evaluated = 300
const batchSize = 64

/** Of the square matrices whose product tells what the cores can do. */
const side = 2048

export const targets = {
  'ResNet-50 stock': 1.3,
  'ResNet-50 tuned': 1.15,
  'ShuffleNetV2 x2.0 stock': 2.0,
  'ShuffleNetV2 x2.0 tuned': 1.15,
}

/** Of the mean loss: both sides see the same pixels within a level. */
export const tolerance = 1e-3

/** The table, and beside each row how much of what the cores can do the whole evaluation reaches. */
export async function measure(context) {
  const count = imageCount(context)
  const figure = { unit: 'img/s', of: (seconds) => count / seconds }
  const peak = await matmulPeak(context)
  const rows = await compareCases({ targets, tolerance, figure }, context)
  for (const row of rows.filter(({ error }) => error === undefined)) {
    const [, name] = row.case.match(/^(.*) (stock|tuned)$/)
    const flops = 2 * networks[name].multiplyAdds * row.ours
    row.also = { [`% of the matmul peak, ${(peak / 1e9).toFixed(0)} GFLOP/s`]: (100 * flops) / peak }
  }
  return rows
}

const imageCount = ({ scale }) => Math.max(batchSize, Math.round(evaluated * scale))

/** FLOP/s of large float32 products, the best of ten, in a worker that ends before the others start. */
async function matmulPeak(context) {
  const { child } = await context.startOurs()
  const times = []
  for (let i = 0; i < 10; i++) {
    times.push((await child.request({ case: 'matmul', iterations: 1 })).seconds)
  }
  await child.stop()
  return (2 * side ** 3) / Math.min(...times)
}

/** Photographs, and the networks, whose random weights tell them apart. */
export function prepare(context) {
  const { root, python, folder } = context
  const count = imageCount(context)
  const place = join(folder(), 'eval')
  mkdirSync(place, { recursive: true })
  const images = photographs(context, count)
  for (const { file } of Object.values(networks)) {
    const out = join(place, `${file}.pt`)
    if (existsSync(out)) continue
    const args = [
      join(root, 'scripts/export/export_torchvision.py'),
      file,
      '--calibrate',
      images,
      '--out',
      out,
    ]
    execFileSync(python, args, { stdio: ['ignore', 'ignore', 2] })
  }
  return { folder: place, images, count }
}

/** Each network twice, for each script has its own row; without what prepare() made, the product alone. */
export async function cases({ folder, images, count }) {
  const { evaluate, imageFolder, preprocessOf, ScriptModule, torch } = await import('../../../dist/index.js')
  if (folder === undefined) {
    const [a, b] = [torch.randn([side, side]), torch.randn([side, side])]
    return { matmul: { run: () => void a.matmul(b), result: () => a } }
  }
  const made = {}
  for (const [name, { file }] of Object.entries(networks)) {
    const model = await ScriptModule.load(join(folder, `${file}.pt`))
    const dataset = await imageFolder(images, preprocessOf(model))
    const run = async (n) => {
      let evaluation
      for (let i = 0; i < n; i++) evaluation = await evaluate(model, dataset, { limit: count, chunk: batchSize })
      return evaluation.loss
    }
    const result = async () => torch.tensor([await run(1)], { dtype: 'float64' })
    for (const kind of kinds) made[`${name} ${kind}`] = { run, result }
  }
  return made
}
