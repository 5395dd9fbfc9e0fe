import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

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
const images = 300
const batchSize = 64

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
  for (const row of rows) {
    const [, name] = row.case.match(/^(.*) (stock|tuned)$/)
    const flops = 2 * networks[name].multiplyAdds * row.ours
    row.also = { [`% of the matmul peak, ${(peak / 1e9).toFixed(0)} GFLOP/s`]: (100 * flops) / peak }
  }
  return rows
}

const imageCount = ({ scale }) => Math.max(batchSize, Math.round(images * scale))

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
const side = 2048

/** The photographs of the extra data, or made ones, and the networks, whose random weights tell them apart. */
export function prepare({ root, python, scale, folder, log }) {
  const count = imageCount({ scale })
  const place = join(folder(), 'eval')
  mkdirSync(place, { recursive: true })
  const run = (script, ...args) =>
    execFileSync(python, [join(root, 'scripts', script), ...args], { stdio: ['ignore', 'ignore', 2] })
  let photographs = join(process.env.SOS_DATA_ROOT ?? '', 'imagenet-sample/val')
  if (!process.env.SOS_DATA_ROOT || !existsSync(photographs) || count > images) {
    log('making images …')
    run('bench/cases/study_images.py', place, '0', String(count))
    photographs = join(place, 'val')
  }
  for (const { file } of Object.values(networks)) {
    const out = join(place, `${file}.pt`)
    if (!existsSync(out)) run('export_torchvision.py', file, '--calibrate', photographs, '--out', out)
  }
  return { folder: place, photographs, count }
}

/** Each network twice, for each script has its own row; without what prepare() made, the product alone. */
export async function cases({ folder, photographs, count }) {
  const { evaluate, imageFolder, preprocessOf, ScriptModule, torch } = await import('../../../dist/index.js')
  if (folder === undefined) {
    const [a, b] = [torch.randn([side, side]), torch.randn([side, side])]
    return { matmul: { run: () => void a.matmul(b), result: () => a } }
  }
  const made = {}
  for (const [name, { file }] of Object.entries(networks)) {
    const model = await ScriptModule.load(join(folder, `${file}.pt`))
    const dataset = await imageFolder(photographs, preprocessOf(model))
    const run = async (n) => {
      let evaluation
      for (let i = 0; i < n; i++) evaluation = await evaluate(model, dataset, { limit: count, batchSize })
      return evaluation.loss
    }
    const result = async () => torch.tensor([await run(1)], { dtype: 'float64' })
    for (const kind of kinds) made[`${name} ${kind}`] = { run, result }
  }
  return made
}
