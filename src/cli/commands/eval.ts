import { Command } from 'commander'

import { specHelp } from '../../data/spec-help.js'
import { openModelAndData } from '../open.js'
import { addImageOptions, deviceOption, type ModelOptions, presetOption, wholeNumber } from '../options.js'
import { figure, percent, printJson, printTable } from '../print.js'
import { withProgress } from '../progress.js'
import { evaluationRecord } from '../records.js'

interface Options extends ModelOptions {
  limit?: number
  batchSize: number
}

export const evalCommand = new Command('eval')
  .description('accuracy and cross-entropy of classifiers on a dataset')
  .argument('<model...>', 'TorchScript files')
  .requiredOption('--data <spec>', specHelp)
  .addOption(presetOption)
  .option('--limit <n>', 'evaluate n images, spread evenly over the dataset', wholeNumber(1))
  .option('--batch-size <n>', 'images in one forward', wholeNumber(1), 64)
  .addOption(deviceOption)
  .option('--json', 'print one JSON document: [{ model, top1, top5, loss, images }]')
  .addHelpText('after', '\nExample:\n  sos eval resnet50.pt --data imagefolder:imagenet/val --limit 1000\n')
  .action(async (models: string[], options: Options) => {
    const { evaluate } = await import('../../index.js')
    const records = []
    for (const path of models) {
      const { model, dataset } = await openModelAndData(path, options)
      const evaluation = await withProgress(`eval ${path}`, (onProgress) =>
        evaluate(model, dataset, { ...options, onProgress }),
      )
      records.push(evaluationRecord(path, evaluation))
      model.dispose()
    }
    if (options.json) return printJson(records)
    printTable(
      ['model', 'top-1', 'top-5', 'loss', 'images'],
      records.map(({ model, top1, top5, loss, images }) => [
        model,
        percent(top1),
        percent(top5),
        figure(loss),
        String(images),
      ]),
    )
  })
addImageOptions(evalCommand)
