import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { SosError } from '../../base/index.js'
import type { Sampling } from '../../data/index.js'
import type { BiasMode, RankPolicy, Solver, Study, StudyProgress } from '../../shift/index.js'
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
import { printJson, printLine, printTables } from '../shared/print.js'
import { ProgressLine } from '../shared/progress.js'

interface Options extends Omit<ModelOptions, 'data'> {
  train: string
  val: string
  batchSizes: number[]
  draws: number
  seed: number
  policies?: string[]
  sampling?: Sampling[]
  bias?: BiasMode[]
  solver: Solver
  controls?: boolean
  layer?: string
  limitVal?: number
  chunk?: number
  cache?: string
  report?: string
}

export const studyCommand = new Command('study')
  .description('shift a classifier in many ways and evaluate them all, for one pass over the images')
  .argument('<model>', 'TorchScript file')
  .requiredOption('--train <spec>', 'the images that batches are drawn from, as for `sos shift --data`')
  .requiredOption('--val <spec>', 'the images that all is evaluated on, as for `sos eval --data`')
  .requiredOption('--batch-sizes <b,…>', 'images in a batch', listOf(wholeNumber(1)))
  .option('--draws <n>', 'batches of each size, with the seeds from --seed on', wholeNumber(1, 1_000_000), 5)
  .option('--seed <n>', 'of the first draw', wholeNumber(0), 0)
  .option(
    '--policies <p,…>',
    'logits[:DELTA], tolerance[:TAU], energy:SHARE, fixed:RANK, ridge:LAMBDA (default: logits:0.001)',
    listOf(String),
  )
  .option(
    '--sampling <s,…>',
    'stratified, uniform (default: stratified)',
    listOf(oneOf('stratified', 'uniform')),
  )
  .option(
    '--bias <m,…>',
    'fixed, absorb, augment (default: fixed)',
    listOf(oneOf('fixed', 'absorb', 'augment')),
  )
  .addOption(
    new Option('--solver <name>', 'how V* is found')
      .choices(['svd', 'gram', 'qr', 'gaussian', 'pinv'])
      .default('svd'),
  )
  .option('--controls', 'also shrink V uniformly, to principal directions, to a random subspace, by ridge')
  .option('--layer <path>', 'the linear layer (default: the last one)')
  .option('--limit-val <n>', 'evaluate on n images, spread evenly over --val', wholeNumber(1))
  .addOption(outputOption)
  .addOption(chunkOption(64))
  .option(
    '--cache <dir>',
    'where features of more than 1 GiB go meanwhile (default: the folder for temporary files)',
  )
  .option('--report <dir>', 'write index.html, a page of figures and tables, and study.json')
  .addOption(presetOption)
  .addOption(deviceOption)
  .option('--json', 'print one JSON document')
  .addHelpText(
    'after',
    `
The last layer's inputs are computed once; each shift is then a matrix product. Each starts from the original weights, and
the validation images choose nothing: read all rows, not the best one.
Example:
  sos study resnet50.pt --preset resnet50 --train imagefolder:imagenet/train --val imagefolder:imagenet/val \\
    --batch-sizes 1000,1500,2000 --controls --report out/resnet50`,
  )
  .action(async (path: string, options: Options) => {
    const { makeReportFolder, openDataset, parseRankPolicy, runStudy, withClasses, writeStudyReport } =
      await library()
    if (options.report !== undefined) {
      await makeReportFolder(options.report)
      const files = ['index.html', 'study.json'].map((name) => join(options.report!, name))
      await expectOutputs(files, [path, options.train, options.val])
    }
    const policies: RankPolicy[] | undefined = options.policies?.map(parseRankPolicy)
    const { model, dataset, preprocess } = await openModelAndData(path, { ...options, data: options.train })
    const { skipCorrupt = false } = options
    const images = await openDataset(options.val, preprocess, { skipCorrupt })
    const validation = withClasses(images, dataset.classes, await outputNames(options))
    const study = await withPhases((onProgress) =>
      runStudy(model, dataset, validation, {
        ...options,
        policies,
        samplings: options.sampling,
        biases: options.bias,
        limit: options.limitVal,
        cacheFolder: options.cache,
        onProgress,
      }),
    )
    // Printed before it is written: what took hours is not lost to a full disk.
    if (options.json) printJson(study)
    else await printStudy(study)
    if (options.report === undefined) return
    const written = await writeStudyReport(study, options.report).catch((error) => keepStudy(study, error))
    if (!options.json) printLine(`Written: ${written.page} and ${written.json}`)
  })
addImageOptions(studyCommand)

/** Table 2 and Table 4 of the paper, and what they let one say. */
async function printStudy(study: Study): Promise<void> {
  const { accuracyTable, batchSizeTable, controlTable, shiftTable, studyFindings } = await library()
  const tables = [accuracyTable(study), batchSizeTable(study), shiftTable(study)]
  if (study.controls.length > 0) tables.push(controlTable(study))
  printTables(tables)
  for (const sentence of studyFindings(study)) printLine(`- ${sentence}`)
}

/** Keeps the study of a report that cannot be written, where it can be, and says so by its error. */
async function keepStudy(study: Study, cause: Error & { code?: string }): Promise<never> {
  for (const folder of [tmpdir(), '.']) {
    const path = join(folder, `sos-study-${process.pid}.json`)
    try {
      await writeFile(path, `${JSON.stringify(study, null, 2)}\n`, { flag: 'wx' })
    } catch {
      continue
    }
    throw new SosError('ERR_OUTPUT', `${cause.message}; the study is kept in ${path}`, { cause })
  }
  throw cause
}

/** A progress line for each phase. */
async function withPhases<T>(
  body: (onProgress: (progress: StudyProgress) => void) => Promise<T>,
): Promise<T> {
  let phase: string | undefined
  let line: ProgressLine | undefined
  try {
    return await body((progress) => {
      if (progress.phase !== phase) {
        line?.end()
        phase = progress.phase
        line = new ProgressLine(`study, ${phase}`)
      }
      line!.update(progress)
    })
  } finally {
    line?.end()
  }
}

function listOf<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(',').map(parse)
}

function oneOf<T extends string>(...choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text)
    if (found !== undefined) return found
    throw new InvalidArgumentError(`Expected one of ${choices.join(', ')}.`)
  }
}
