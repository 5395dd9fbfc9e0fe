import { Command } from 'commander'
import { specHelp } from '../../base/index.js'
import type { OutputKind } from '../../model/index.js'
import type { HessianTrace } from '../../sharpness/index.js'
import { library } from '../shared/library.js'

import { openModelAndData } from '../shared/open.js'
import {
  addImageOptions,
  chunkOption,
  deviceOption,
  type ModelOptions,
  outputOption,
  outputsOption,
  presetOption,
  wholeNumber,
} from '../shared/options.js'
import { plusMinus, printJson, printLine, printTable } from '../shared/print.js'
import { withProgress } from '../shared/progress.js'
import { comparisonRecord, traceRecord } from '../shared/records.js'

interface Options extends ModelOptions {
  compare?: string
  samples?: number
  probes: number
  seed: number
  outputs: OutputKind
  chunk: number
}

export const sharpnessCommand = new Command('sharpness')
  .description('estimate the trace of the Hessian of the loss, or its difference between two models')
  .argument('<model>', 'TorchScript file')
  .option('--compare <model>', 'a second model, measured on the same probes and samples')
  .requiredOption('--data <spec>', specHelp)
  .option(
    '--samples <n>',
    'number of images; the loss is their mean (default: 512, or all if there are fewer)',
    wholeNumber(1),
  )
  .option('--probes <n>', 'number of random probe vectors', wholeNumber(2, 1_000_000), 32)
  .option('--seed <n>', 'seed of the samples and the probes', wholeNumber(0), 0)
  .addOption(outputsOption)
  .addOption(outputOption)
  .addOption(chunkOption(128))
  .addOption(presetOption)
  .addOption(deviceOption)
  .option(
    '--json',
    'print one JSON document: { trace, standardError, probes, samples, withoutGradient, compare? }',
  )
  .addHelpText(
    'after',
    '\nExample:\n  sos sharpness before.pt --compare after.pt --data idx:assets/fashion-mnist:train\n',
  )
  .action(async (path: string, options: Options) => {
    const { compareWith, hessianTrace } = await library()
    const measure = async (file: string, opened = openModelAndData(file, options)) => {
      const { model, dataset } = await opened
      const { device, samples, probes, seed, outputs, output, chunk } = options
      return await withProgress(`sharpness ${file}`, (onProgress) =>
        hessianTrace(model, dataset, {
          device,
          probes,
          seed,
          outputs,
          chunk,
          ...(output !== undefined && { output }),
          ...(samples && { samples }),
          onProgress,
        }),
      )
    }
    const opened = await openModelAndData(path, options)
    // A second model that cannot be loaded is reported now, and not after the minutes that the first one takes.
    if (options.compare !== undefined) (await openModelAndData(options.compare, options)).model.dispose()
    const first = await measure(path, Promise.resolve(opened))
    if (options.compare === undefined) {
      if (options.json) return printJson(traceRecord(first))
      printLine(`tr(H)  ${plusMinus(first.trace, first.standardError)}`)
      printLine(`       ${first.probes} probes on the mean loss of ${first.samples} images`)
      return printLeftOut(path, first)
    }
    const comparison = compareWith(first, await measure(options.compare))
    if (options.json) return printJson(comparisonRecord(comparison))
    const { second, difference, differenceStandardError } = comparison
    printTable(
      ['model', 'tr(H)'],
      [
        [path, plusMinus(first.trace, first.standardError)],
        [options.compare, plusMinus(second.trace, second.standardError)],
        ['paired difference', plusMinus(difference, differenceStandardError)],
      ],
    )
    printLine(`${first.probes} probes on the mean loss of ${first.samples} images, the same for both`)
    printLeftOut(path, first)
    printLeftOut(options.compare, second)
  })
addImageOptions(sharpnessCommand)

function printLeftOut(path: string, { withoutGradient: names }: HessianTrace): void {
  if (names.length === 0) return
  const more = names.length > 5 ? ', …' : ''
  printLine(
    `warning: ${path}: ${names.length} parameters are left out of the trace, because no gradient reaches them or they require none: ${names.slice(0, 5).join(', ')}${more}`,
  )
}
