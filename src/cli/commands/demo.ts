import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { makeFolder, writeAtomically } from '../../base/index.js'
import { library } from '../shared/library.js'

import { expectOutputs } from '../shared/output.js'
import { figure, percent, plusMinus, printJson, printLine, printTable, signed } from '../shared/print.js'
import { withProgress } from '../shared/progress.js'
import { comparisonRecord, evaluationRecord } from '../shared/records.js'
import { printShift } from './shift.js'

const assets = fileURLToPath(new URL('../../../assets', import.meta.url))
const batchSize = 50
const samples = 256
const probes = 24

export const demoCommand = new Command('demo')
  .description('the whole way on the embedded model: evaluate, shift, evaluate again, measure sharpness')
  .option('--out <dir>', 'where demo.json and the shifted model go', 'out/demo')
  .option('--json', 'print demo.json')
  .action(async (options: { out: string; json?: boolean }) => {
    const {
      compareWith,
      evaluate,
      hessianTrace,
      idxFolder,
      preprocessOf,
      saveShifted,
      ScriptModule,
      shiftOptimum,
    } = await library()
    await makeFolder(options.out)
    const source = join(assets, 'fashion-resnet.pt')
    const out = join(options.out, 'fashion-resnet.sos.pt')
    const json = join(options.out, 'demo.json')
    await expectOutputs([out, json], [source])
    const model = await ScriptModule.load(source)
    const recipe = preprocessOf(model)
    const [train, test] = await Promise.all([
      idxFolder(join(assets, 'fashion-mnist'), 'train', recipe),
      idxFolder(join(assets, 'fashion-mnist'), 'test', recipe),
    ])
    const test1 = await withProgress('evaluate', (onProgress) => evaluate(model, test, { onProgress }))
    const trace1 = await withProgress('sharpness before', (onProgress) =>
      hessianTrace(model, train, { samples, probes, onProgress }),
    )
    const shift = await shiftOptimum(model, train, { batchSize })
    const test2 = await withProgress('evaluate', (onProgress) => evaluate(model, test, { onProgress }))
    const trace2 = await withProgress('sharpness after', (onProgress) =>
      hessianTrace(model, train, { samples, probes, onProgress }),
    )
    const comparison = compareWith(trace1, trace2)
    const record = {
      before: evaluationRecord(source, test1),
      shift: { ...shift, out },
      after: evaluationRecord(out, test2),
      sharpness: comparisonRecord(comparison),
    }
    const write = async () => {
      await saveShifted(model, out, shift, { dataset: train.name, preprocess: recipe })
      await writeAtomically(json, (path) => writeFile(path, `${JSON.stringify(record, null, 2)}\n`))
    }
    if (options.json) {
      printJson(record)
      return write()
    }

    printLine(
      'A residual network trained on 10,000 images of Fashion-MNIST, before and after optimum shifting.',
    )
    printLine()
    printShift(shift)
    printLine()
    const change = (before: number, after: number) => signed(after - before)
    printTable(
      ['', 'before', 'after', 'change'],
      [
        [
          `top-1, ${test1.images} test images`,
          percent(test1.top1),
          percent(test2.top1),
          change(test1.top1, test2.top1),
        ],
        ['cross-entropy, test', figure(test1.loss), figure(test2.loss), change(test1.loss, test2.loss)],
        ['‖V‖', figure(shift.normBefore), figure(shift.normAfter), change(shift.normBefore, shift.normAfter)],
        [
          'tr(H), training loss',
          plusMinus(trace1.trace, trace1.standardError),
          plusMinus(trace2.trace, trace2.standardError),
          plusMinus(comparison.difference, comparison.differenceStandardError),
        ],
      ],
    )
    printLine()
    printLine(
      `tr(H): ${probes} probes on ${samples} training images, ± standard error; its change is paired.`,
    )
    printLine(verdict(comparison.difference, comparison.differenceStandardError))
    await write()
    printLine(`Written: ${out} and ${json}`)
  })

/** What the paired difference lets one say, and no more. */
function verdict(difference: number, standardError: number): string {
  if (Math.abs(difference) < 2 * standardError) {
    return 'The change of tr(H) is less than twice its standard error: these probes tell no difference.'
  }
  return `tr(H) ${difference < 0 ? 'fell' : 'rose'} by more than twice the standard error of the difference.`
}
