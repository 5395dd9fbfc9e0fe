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
  .description('shift a classifier in many ways, and evaluate all of them in one pass over the images')
  .argument('<model>', 'TorchScript file')
  .requiredOption('--train <spec>', 'the images from which batches are drawn, as for `sos shift --data`')
  .requiredOption('--val <spec>', 'the images on which all are evaluated, as for `sos eval --data`')
  .requiredOption('--batch-sizes <b,…>', 'numbers of images in a batch', listOf(wholeNumber(1)))
  .option(
    '--draws <n>',
    'number of batches of each size; their seeds are consecutive, from --seed',
    wholeNumber(1, 1_000_000),
    5,
  )
  .option('--seed <n>', 'seed of the first draw', wholeNumber(0), 0)
  .option(
    '--policies <p,…>',
    'how the rank is chosen: logits[:DELTA], tolerance[:TAU], energy:SHARE, fixed:RANK, ridge:LAMBDA (default: logits:0.001)',
    listOf(String),
  )
  .option(
    '--sampling <s,…>',
    'how batches are drawn: stratified, uniform (default: stratified)',
    listOf(oneOf('stratified', 'uniform')),
  )
  .option(
    '--bias <m,…>',
    'what happens to the bias: fixed, absorb, augment (default: fixed)',
    listOf(oneOf('fixed', 'absorb', 'augment')),
  )
  .addOption(
    new Option('--solver <name>', 'how AV* = AV is solved')
      .choices(['svd', 'gram', 'qr', 'gaussian', 'pinv'])
      .default('svd'),
  )
  .option(
    '--controls',
    'also shrink V in four other ways to compare with: uniformly, onto principal directions, onto a random subspace, by ridge',
  )
  .option('--layer <path>', 'the linear layer that is shifted (default: the one that makes the output)')
  .option('--limit-val <n>', 'evaluate on n images, spread evenly over --val', wholeNumber(1))
  .addOption(outputOption)
  .addOption(chunkOption(64))
  .option(
    '--cache <dir>',
    'folder for features of more than 1 GiB during the study (default: the folder for temporary files)',
  )
  .option('--report <dir>', 'folder for index.html, a page of figures and tables, and study.json')
  .addOption(presetOption)
  .addOption(deviceOption)
  .option('--json', 'print one JSON document')
  .addHelpText(
    'after',
    `
In these texts, A are the inputs of the last layer for a batch, V is its weight, and V* the new weight.
The inputs of the last layer are computed once; each shift is then a matrix product. Each shift starts from the original weights. Read all rows,
and do not report the best one: that would be a choice by the validation images.
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
    // It is printed before it is written, so that a full disk does not lose the work of hours.
    if (options.json) printJson(study)
    else await printStudy(study)
    if (options.report === undefined) return
    const written = await writeStudyReport(study, options.report).catch((error) => keepStudy(study, error))
    if (!options.json) printLine(`Written: ${written.page} and ${written.json}`)
  })
addImageOptions(studyCommand)

/** Prints Tables 2 and 4 of the paper, and what they show. */
async function printStudy(study: Study): Promise<void> {
  const { accuracyTable, batchSizeTable, controlTable, shiftTable, studyFindings } = await library()
  const tables = [accuracyTable(study), batchSizeTable(study), shiftTable(study)]
  if (study.controls.length > 0) tables.push(controlTable(study))
  printTables(tables)
  for (const sentence of studyFindings(study)) printLine(`- ${sentence}`)
}

/** Writes the study of a report that cannot be written to another folder, if one can be found, and names it in the error. */
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

/** Shows a progress line for each phase. */
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
