import { Command, Option } from 'commander'
import { specHelp } from '../../base/index.js'
import type { Sampling } from '../../data/index.js'
import type { BiasMode, DriftCertificate, ShiftRecord, Solver } from '../../shift/index.js'
import { library } from '../shared/library.js'
import { openModelAndData, outputNames } from '../shared/open.js'
import {
  addImageOptions,
  chunkOption,
  deviceOption,
  type ModelOptions,
  outputOption,
  presetOption,
  wholeNumber,
} from '../shared/options.js'
import { expectOutputs } from '../shared/output.js'
import { figure, percent, printJson, printLine, signedFigure } from '../shared/print.js'
import { withProgress } from '../shared/progress.js'

interface Options extends ModelOptions {
  out: string
  layer?: string[]
  solver?: Solver
  rank?: string
  bias: BiasMode
  heldOut: number
  batchSize?: number | 'all'
  chunk?: number
  windowsPerImage?: number
  sampling: Sampling
  seed: number
}

export const shiftCommand = new Command('shift')
  .description(
    'replace the weight of the output layer by the one of least norm that keeps the logits of a small batch',
  )
  .argument('<model>', 'TorchScript file')
  .requiredOption('--data <spec>', `the training images: ${specHelp}`)
  .requiredOption('--out <file>', 'file for the shifted model, as TorchScript')
  .option(
    '--layer <path...>',
    'one or more linear layers or 2-d convolutions (default: the linear layer that makes the model’s output)',
  )
  .option(
    '--batch-size <n>',
    "number of images in the batch, or `all` (default: 300, or half the number of the layer's inputs if that is less)",
    (text) => (text === 'all' ? text : wholeNumber(1)(text)),
  )
  .addOption(
    new Option(
      '--sampling <how>',
      'how the batch is drawn: the same number from each class, or uniformly as in the paper, which may miss classes',
    )
      .choices(['stratified', 'uniform'])
      .default('stratified'),
  )
  .option(
    '--windows-per-image <n>',
    'for a convolution: number of windows drawn from each image (default: together, half the number of its inputs)',
    wholeNumber(1),
  )
  .option('--seed <n>', 'seed of the draw', wholeNumber(0), 0)
  .addOption(
    new Option(
      '--solver <name>',
      'how AV* = AV is solved (default: svd, or gram if the batch is all images)',
    ).choices(['svd', 'qr', 'gram', 'gaussian', 'pinv']),
  )
  .option(
    '--rank <policy>',
    'how the rank is chosen: logits[:DELTA], tolerance[:TAU], energy:SHARE, fixed:RANK or ridge:LAMBDA (default: logits:0.001)',
  )
  .addOption(
    new Option('--bias <mode>', 'what happens to the bias: it stays, absorbs the mean, or is shifted with V')
      .choices(['fixed', 'absorb', 'augment'])
      .default('fixed'),
  )
  .option(
    '--held-out <n>',
    'number of images outside of the batch on which the shift is certified',
    wholeNumber(0),
    500,
  )
  .addOption(outputOption)
  .addOption(chunkOption(64))
  .addOption(presetOption)
  .addOption(deviceOption)
  .option('--json', 'print one JSON document')
  .addHelpText(
    'after',
    '\nIn these texts, A are the inputs of the layer for the batch, V is its weight, and V* the new weight.\nThe logits of the batch stay. Those of other images move: compare the result with the original by `sos eval`.\nExample:\n  sos shift resnet50.pt --data imagefolder:imagenet/train --batch-size 1500 --out resnet50.sos.pt\n',
  )
  .action(async (path: string, options: Options) => {
    const { parseRankPolicy, saveShifted, shiftLayers, shiftOnAll, shiftOptimum } = await library()
    await expectOutputs([options.out], [path, options.data])
    const rank = options.rank === undefined ? undefined : parseRankPolicy(options.rank)
    const { model, dataset, preprocess } = await openModelAndData(path, options)
    const { out, json, layer, batchSize, sampling, seed, heldOut, windowsPerImage, device } = options
    const { solver, bias, output, chunk } = options
    const records = await withProgress(`shift ${path}`, async (onProgress) => {
      const given = defined({ rank, solver, bias, device, onProgress, windowsPerImage, output, chunk })
      if (batchSize === 'all') {
        const shifts: ShiftRecord[] = []
        for (const one of layer ?? [undefined]) {
          shifts.push(await shiftOnAll(model, dataset, { ...given, ...defined({ layer: one }) }))
        }
        return shifts
      }
      const drawn = { ...given, ...defined({ batchSize, sampling, seed, heldOut }) }
      if (layer === undefined) return [await shiftOptimum(model, dataset, drawn)]
      return shiftLayers(model, dataset, layer, drawn)
    })
    if (!json) for (const record of records) printShift(record)
    const classes = await outputNames(options)
    await saveShifted(model, out, records, { dataset: dataset.name, preprocess, ...(classes && { classes }) })
    if (json) return printJson({ shifts: records, out })
    printLine(`written     ${out}`)
  })
addImageOptions(shiftCommand)

/** The options without those that are undefined, for which the library has defaults. */
function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}

/** Prints a shift in words. */
export function printShift(record: ShiftRecord): void {
  const share = (100 * (record.normAfter - record.normBefore)) / record.normBefore
  printLine(`layer       ${record.layer} (${record.inFeatures} inputs): ${role(record)}`)
  const { rows } = record
  const parts = rows.of === 'images' ? '' : `, with ${rows.count} ${rows.of}`
  printLine(
    `batch       ${record.batchSize} images${parts}, ${record.sampling}, seed ${record.seed}; ${record.classesCovered} of ${record.classes} classes`,
  )
  printLine(`row space   rank ${record.rank} by ${record.policy}${spectrum(record)}`)
  printLine(
    `‖V‖         ${figure(record.normBefore)} → ${figure(record.normAfter)} (${Number.isFinite(share) ? `${signedFigure(share)} %` : '–'})`,
  )
  const what = record.toOutput === null ? 'the layer’s outputs' : 'logits'
  printLine(`batch       ${what} moved by ${figure(record.batchLogitChange)} at most${rounding(record)}`)
  if (record.certificate !== null) printCertificate(record, record.certificate)
  if (record.measured !== null) {
    const { images, changed } = record.measured
    printLine(
      `measured    ${images} images through the whole model, before and after: ${changed} changed class`,
    )
  }
  if (record.identity) {
    printLine(
      '            the batch spans all inputs of the layer, so this shift changes nothing; use a smaller batch',
    )
  }
  if (record.unseenClasses.length > 0) {
    printLine(
      `            ${record.unseenClasses.length} classes have no image in the batch; the accuracy on them may fall`,
    )
  }
  for (const warning of record.warnings) printLine(`            ${warning}`)
}

/** The change that is due to rounding V*, for a layer in half precision. */
function rounding({ dtype, roundingChange }: ShiftRecord): string {
  if (!/16$/.test(dtype) || roundingChange === null) return ''
  return `, of which ${figure(roundingChange)} by rounding V* to ${dtype}`
}

/** How the layer's outputs are related to the model's. */
function role({ toOutput }: ShiftRecord): string {
  if (toOutput === null) return 'its outputs are not the model’s outputs'
  return toOutput.length === 0
    ? 'its outputs are the model’s outputs'
    : `the model’s output is computed from its outputs by ${toOutput.join(', ')}`
}

function printCertificate({ rows, sampling }: ShiftRecord, certificate: DriftCertificate): void {
  const { samples, marginSafeShare, changedPredictions, maxLogitChange } = certificate
  const where = `${samples} ${rows.of}${sampling === 'all' ? '' : ' outside of the batch'}`
  const moved = `moved by ${figure(maxLogitChange)} at most`
  printLine(
    marginSafeShare === null
      ? `certified   ${where}: the layer’s outputs ${moved}`
      : `certified   ${where}: ${percent(100 * marginSafeShare)} cannot change class, ${changedPredictions === null ? 'rounding decides the class of others' : `${changedPredictions} did`}; logits ${moved}`,
  )
}

function spectrum({ singularValues }: ShiftRecord): string {
  if (singularValues === null) return ''
  const { first, last, next } = singularValues
  return `: σ₁ ${figure(first)}, σ_r ${figure(last)}, σ_r+1 ${next === null ? '–' : figure(next)}`
}
