import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { photographs } from '../photographs.mjs'
import { compareCases } from '../rounds.mjs'

export const description =
  'from JPEG files to top-1, compared with scripts in the style of torchvision, untuned (stock) and tuned, on the same cores'

/** The multiply-adds for one image are from torchvision's table of its published weights. */
const networks = {
  'ResNet-50': { file: 'resnet50', multiplyAdds: 4.089e9 },
  'ShuffleNetV2 x2.0': { file: 'shufflenet_v2_x2_0', multiplyAdds: 0.583e9 },
}
const kinds = ['stock', 'tuned']

/** The number of images in one evaluation at `--scale 1`. */
const evaluated = 300
const batchSize = 64

/** The side of the square matrices whose product shows the peak speed of the cores. */
const side = 2048

export const targets = {
  'ResNet-50 stock': 1.3,
  'ResNet-50 tuned': 1.15,
  'ShuffleNetV2 x2.0 stock': 2.0,
  'ShuffleNetV2 x2.0 tuned': 1.15,
}

/** For the mean loss: the pixels of both sides differ by at most one level. */
export const tolerance = 1e-3

/** The table, and for each row how much of the cores' peak speed the whole evaluation reaches. */
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

/** The FLOP/s of large float32 products: the best of ten, in a worker that ends before the others start. */
async function matmulPeak(context) {
  const { child } = await context.startOurs()
  const times = []
  for (let i = 0; i < 10; i++) {
    times.push((await child.request({ case: 'matmul', iterations: 1 })).seconds)
  }
  await child.stop()
  return (2 * side ** 3) / Math.min(...times)
}

/** Makes photographs, and networks whose random weights distinguish these photographs. */
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

/** Each network twice, since each script has its own row. Without the folder that prepare() made, only the matrix product. */
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
      for (let i = 0; i < n; i++)
        evaluation = await evaluate(model, dataset, { limit: count, chunk: batchSize })
      return evaluation.loss
    }
    const result = async () => torch.tensor([await run(1)], { dtype: 'float64' })
    for (const kind of kinds) made[`${name} ${kind}`] = { run, result }
  }
  return made
}
