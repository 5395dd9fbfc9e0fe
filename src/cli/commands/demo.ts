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
import { comparisonRecord, evaluationRecord } from '../shared/records.js'
import { printShift } from './shift.js'

const batchSize = 50
const samples = 256
const probes = 24

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
      sharpness: comparisonRecord(demo.sharpness),
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
  const model = await sos.ScriptModule.load(network)
  const recipe = sos.preprocessOf(model)
  const [train, test] = await Promise.all([
    sos.idxFolder(images, 'train', recipe),
    sos.idxFolder(images, 'test', recipe),
  ])
  const evaluation = () => withProgress('evaluate', (onProgress) => sos.evaluate(model, test, { onProgress }))
  const trace = (when: string) =>
    withProgress(`sharpness ${when}`, (onProgress) =>
      sos.hessianTrace(model, train, { samples, probes, onProgress }),
    )
  const before = await evaluation()
  const traceBefore = await trace('before')
  const shift = await sos.shiftOptimum(model, train, { batchSize })
  const after = await evaluation()
  const sharpness = sos.compareWith(traceBefore, await trace('after'))
  const save = (path: string) =>
    sos.saveShifted(model, path, shift, { dataset: train.name, preprocess: recipe })
  return { before, shift, after, sharpness, save }
}

function printDemo({ before, shift, after, sharpness }: Demo): void {
  const { first, second, difference, differenceStandardError } = sharpness
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
        plusMinus(first.trace, first.standardError),
        plusMinus(second.trace, second.standardError),
        plusMinus(difference, differenceStandardError),
      ],
    ],
  )
  printLine()
  printLine(`tr(H): ${probes} probes on ${samples} training images, ± standard error; its change is paired.`)
  printLine(verdict(difference, differenceStandardError))
}

/** What the paired difference shows. */
function verdict(difference: number, standardError: number): string {
  if (Math.abs(difference) < 2 * standardError) {
    return 'The change of tr(H) is less than twice its standard error: these probes show no difference.'
  }
  return `tr(H) ${difference < 0 ? 'fell' : 'rose'} by more than twice the standard error of the difference.`
}
