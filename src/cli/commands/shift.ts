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
import { figure, percent, printJson, printLine, signed } from '../shared/print.js'
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
  .description('replace the linear layer that makes the output by its least-norm equivalent on a small batch')
  .argument('<model>', 'TorchScript file')
  .requiredOption('--data <spec>', `the training images: ${specHelp}`)
  .requiredOption('--out <file>', 'where the shifted model goes, as TorchScript')
  .option(
    '--layer <path...>',
    'a linear layer or 2-d convolution, or several (default: the linear layer that makes the model’s output)',
  )
  .option(
    '--batch-size <n>',
    "images in the batch, or `all` (default: 300, or half the layer's inputs where that is less)",
    (text) => (text === 'all' ? text : wholeNumber(1)(text)),
  )
  .addOption(
    new Option('--sampling <how>', 'how the batch is drawn; uniform is the paper’s, and may miss classes')
      .choices(['stratified', 'uniform'])
      .default('stratified'),
  )
  .option(
    '--windows-per-image <n>',
    "windows drawn of each image, for a convolution (default: half of its inputs' count in all)",
    wholeNumber(1),
  )
  .option('--seed <n>', 'of the draw', wholeNumber(0), 0)
  .addOption(
    new Option(
      '--solver <name>',
      'how AV* = AV is solved (default: svd, or gram where all images are the batch)',
    ).choices(['svd', 'qr', 'gram', 'gaussian', 'pinv']),
  )
  .option(
    '--rank <policy>',
    'logits[:DELTA], tolerance[:TAU], energy:SHARE, fixed:RANK, ridge:LAMBDA (default: logits:0.001)',
  )
  .addOption(
    new Option('--bias <mode>', 'what becomes of the bias')
      .choices(['fixed', 'absorb', 'augment'])
      .default('fixed'),
  )
  .option('--held-out <n>', 'images outside of the batch that certify the shift', wholeNumber(0), 500)
  .addOption(outputOption)
  .addOption(chunkOption(64))
  .addOption(presetOption)
  .addOption(deviceOption)
  .option('--json', 'print one JSON document')
  .addHelpText(
    'after',
    '\nThe logits of the batch stay; those of other images move a little: hold the result against the original with `sos eval`.\nExample:\n  sos shift resnet50.pt --data imagefolder:imagenet/train --batch-size 1500 --out resnet50.sos.pt\n',
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

/** Without what is undefined: the library's defaults stand. */
function defined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> }
}

/** A shift in words. */
export function printShift(record: ShiftRecord): void {
  const share = (100 * (record.normAfter - record.normBefore)) / record.normBefore
  printLine(`layer       ${record.layer} (${record.inFeatures} inputs): ${role(record)}`)
  const { rows } = record
  const parts = rows.of === 'images' ? '' : `, ${rows.count} ${rows.of} in them`
  printLine(
    `batch       ${record.batchSize} images${parts}, ${record.sampling}, seed ${record.seed}; ${record.classesCovered} of ${record.classes} classes`,
  )
  printLine(`row space   rank ${record.rank} by ${record.policy}${spectrum(record)}`)
  printLine(
    `‖V‖         ${figure(record.normBefore)} → ${figure(record.normAfter)} (${Number.isFinite(share) ? `${signed(share)} %` : '–'})`,
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
      '            the batch spans all that the layer uses: this shift is the identity; take a smaller batch',
    )
  }
  if (record.unseenClasses.length > 0) {
    printLine(
      `            ${record.unseenClasses.length} classes have no image in the batch: their images may suffer`,
    )
  }
  for (const warning of record.warnings) printLine(`            ${warning}`)
}

/** What rounding V* back costs, where the layer is not in float32 or finer. */
function rounding({ dtype, roundingChange }: ShiftRecord): string {
  if (!/16$/.test(dtype) || roundingChange === null) return ''
  return `, ${figure(roundingChange)} of it by rounding V* to ${dtype}`
}

/** What the layer's outputs are to the model's. */
function role({ toOutput }: ShiftRecord): string {
  if (toOutput === null) return 'its outputs are not the model’s'
  return toOutput.length === 0
    ? 'its outputs are the model’s'
    : `the model’s output is made of its outputs by ${toOutput.join(', ')}`
}

function printCertificate({ rows, sampling }: ShiftRecord, certificate: DriftCertificate): void {
  const { samples, marginSafeShare, changedPredictions, maxLogitChange } = certificate
  const where = `${samples} ${rows.of}${sampling === 'all' ? '' : ' outside of the batch'}`
  const moved = `moved by ${figure(maxLogitChange)} at most`
  printLine(
    marginSafeShare === null
      ? `certified   ${where}: the layer’s outputs ${moved}`
      : `certified   ${where}: ${percent(100 * marginSafeShare)} cannot change class, ${changedPredictions === null ? 'of others rounding decides' : `${changedPredictions} did`}; logits ${moved}`,
  )
}

function spectrum({ singularValues }: ShiftRecord): string {
  if (singularValues === null) return ''
  const { first, last, next } = singularValues
  return `: σ₁ ${figure(first)}, σ_r ${figure(last)}, σ_r+1 ${next === null ? '–' : figure(next)}`
}
