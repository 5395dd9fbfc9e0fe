import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import { makeFolder, writeAtomically } from '../../base/index.js'
import { demoAssets } from '../shared/demo-assets.js'
import { library } from '../shared/library.js'

import { expectOutputs } from '../shared/output.js'
import {
  figure,
  percent,
  plusMinus,
  printJson,
  printLine,
  printTable,
  signedFigure,
} from '../shared/print.js'
import { withProgress } from '../shared/progress.js'
import { evaluationRecord, traceComparisonRecord } from '../shared/records.js'
import { printShift } from './shift.js'

const batchSize = 50
/** Draws of training images by confidence: about as exact as all images would be. */
const samples = 4096

export const demoCommand = new Command('demo')
  .description(
    'evaluate, shift, evaluate again and measure the sharpness of a small network, that of @optimum-shifting/demo',
  )
  .option('--out <dir>', 'folder for demo.json and the shifted model', 'out/demo')
  .option('--json', 'print demo.json')
  .action(async (options: { out: string; json?: boolean }) => {
    const assets = demoAssets()
    const out = join(options.out, 'fashion-resnet.sos.pt')
    const json = join(options.out, 'demo.json')
    await makeFolder(options.out)
    await expectOutputs([out, json], [assets.network])
    const demo = await runDemo(assets)
    const record = {
      before: evaluationRecord(assets.network, demo.before),
      shift: { ...demo.shift, out },
      after: evaluationRecord(out, demo.after),
      sharpness: traceComparisonRecord(demo.sharpness),
    }
    if (options.json) printJson(record)
    else printDemo(demo)
    await demo.save(out)
    await writeAtomically(json, (path) => writeFile(path, `${JSON.stringify(record, null, 2)}\n`))
    if (!options.json) printLine(`Written: ${out} and ${json}`)
  })

type Demo = Awaited<ReturnType<typeof runDemo>>

/** Measures the network, shifts it, and measures it again. */
async function runDemo({ network, images }: ReturnType<typeof demoAssets>) {
  const sos = await library()
  const [original, model] = await Promise.all([
    sos.ScriptModule.load(network),
    sos.ScriptModule.load(network),
  ])
  const recipe = sos.preprocessOf(model)
  const [train, test] = await Promise.all([
    sos.idxFolder(images, 'train', recipe),
    sos.idxFolder(images, 'test', recipe),
  ])
  const evaluation = () => withProgress('evaluate', (onProgress) => sos.evaluate(model, test, { onProgress }))
  const before = await evaluation()
  const shift = await sos.shiftOptimum(model, train, { batchSize })
  const after = await evaluation()
  const sharpness = await withProgress('sharpness', (onProgress) =>
    sos.comparePerSampleTraces(original, model, train, { samples, sampling: 'confidence', onProgress }),
  )
  const save = (path: string) =>
    sos.saveShifted(model, path, shift, { dataset: train.name, preprocess: recipe })
  return { before, shift, after, sharpness, save, trainImages: train.size }
}

function printDemo({ before, shift, after, sharpness, trainImages }: Demo): void {
  const { first, second, difference } = sharpness
  printLine(
    'A residual network trained on 10,000 images of Fashion-MNIST, before and after optimum shifting.',
  )
  printLine()
  printShift(shift)
  printLine()
  const row = (name: string, one: number, other: number, text = figure) => [
    name,
    text(one),
    text(other),
    signedFigure(other - one),
  ]
  printTable(
    ['', 'before', 'after', 'change'],
    [
      row(`top-1, ${before.images} test images`, before.top1, after.top1, percent),
      row('cross-entropy, test', before.loss, after.loss),
      row('‖V‖', shift.normBefore, shift.normAfter),
      [
        'tr(H), training loss',
        plusMinus(first.value, first.standardError),
        plusMinus(second.value, second.standardError),
        plusMinus(difference.value, difference.standardError),
      ],
    ],
  )
  printLine()
  printLine(
    `tr(H): ${samples} draws of the ${trainImages} training images, more of those that a network is less sure of. ± is the standard error over the images; that of the random vectors alone is ${figure(first.probeStandardError!, 2)} before, and ${figure(difference.probeStandardError!, 2)} for the change, which is measured image by image.`,
  )
  printLine(verdict(difference))
}

/** What the difference shows. */
function verdict({ value, standardError }: { value: number; standardError: number }): string {
  if (Math.abs(value) < 2 * standardError) {
    return 'The change of tr(H) is less than twice its standard error: these images show no difference.'
  }
  const flatter = value < 0 ? 'fell: the minimum is flatter' : 'rose: the minimum is not flatter'
  return `tr(H) ${flatter} in this sense, by ${figure(Math.abs(value / standardError), 2)} standard errors.`
}
