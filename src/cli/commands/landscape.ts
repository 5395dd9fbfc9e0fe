import { join } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { SosError, specHelp } from '../../base/index.js'
import type { OutputKind } from '../../model/index.js'
import type { LandscapeDocument, LossLineDocument } from '../../report/index.js'
import type { Normalization } from '../../sharpness/index.js'
import type { ScriptModule } from '../../torch/index.js'
import { library } from '../shared/library.js'

import { expectSamePreprocessing, openModelAndData } from '../shared/open.js'
import {
  addImageOptions,
  chunkOption,
  deviceOption,
  type ModelOptions,
  outputOption,
  outputsOption,
  preprocessChanges,
  presetOption,
  wholeNumber,
} from '../shared/options.js'
import { expectOutputs } from '../shared/output.js'
import { printJson, printLine } from '../shared/print.js'
import { withProgress } from '../shared/progress.js'

interface Options extends ModelOptions {
  compare?: string
  between?: string
  grid?: number
  range?: number
  normalize: Normalization
  ignore: 'biasbn' | 'none'
  samples?: number
  seed: number
  outputs: OutputKind
  chunk: number
  report?: string
}

export const landscapeCommand = new Command('landscape')
  .description(
    'measure the loss on a plane through the weights of a model, or on the line between two models',
  )
  .argument('<model>', 'TorchScript file')
  .option('--compare <model>', 'a second model, on the same directions and the same norms')
  .addOption(
    new Option(
      '--between <model>',
      'measure the line from the first model to this one, instead of a plane',
    ).conflicts(['compare', 'normalize', 'ignore']),
  )
  .requiredOption('--data <spec>', specHelp)
  .option(
    '--grid <n>',
    'number of points along each axis, or on the line; an odd number has the centre (default: 25, on a line 51)',
    wholeNumber(1, 1001),
  )
  .option(
    '--range <r>',
    'the axes go from −r to r; a line goes from −r to 1 + r (default: 1, on a line 0.5)',
    lengthOf,
  )
  .addOption(
    new Option(
      '--normalize <by>',
      'what has the same norm in the directions as in the model: each filter, each layer, or nothing',
    )
      .choices(['filter', 'layer', 'none'])
      .default('filter'),
  )
  .addOption(
    new Option('--ignore <what>', 'biasbn: biases and the weights of norms do not move')
      .choices(['biasbn', 'none'])
      .default('biasbn'),
  )
  .option(
    '--samples <n>',
    'number of images; the loss is their mean (default: 512, or all if there are fewer)',
    wholeNumber(1),
  )
  .option('--seed <n>', 'seed of the samples and the directions', wholeNumber(0), 0)
  .option('--report <dir>', 'folder for index.html, a page of figures, and landscape.json')
  .addOption(outputsOption)
  .addOption(outputOption)
  .addOption(chunkOption(128))
  .addOption(presetOption)
  .addOption(deviceOption)
  .option(
    '--json',
    'print one JSON document: { x, y, loss: [[…]], accuracy: [[…]], centre, compare?: { model, loss, accuracy, centre }, … }; with --between { t, loss: […], accuracy: […], ends, … }. A row of loss belongs to one y; null is a loss that is NaN or infinite; accuracies are in per cent',
  )
  .addHelpText(
    'after',
    `
The plane is θ + xd₁ + yd₂ with two random directions (Li et al. 2018). Both models of --compare take the same steps, with the norms of the first. If they differ
in their last layer only, as before and after a shift, the second model costs next to nothing.
Example:
  sos landscape before.pt --compare after.pt --data idx:assets/fashion-mnist:train --report out/landscape`,
  )
  .action(async (path: string, options: Options) => {
    const { makeReportFolder, writeLandscapeReport } = await library()
    const { compare, between, report } = options
    const other = compare ?? between
    if (report !== undefined) {
      await makeReportFolder(report)
      const files = ['index.html', 'landscape.json'].map((name) => join(report, name))
      await expectOutputs(files, [path, options.data, ...(other === undefined ? [] : [other])])
    }
    const document = await (between === undefined ? plane(path, options) : line(path, between, options))
    if (options.json) printJson(document)
    else await printFindings(document)
    if (report === undefined) return
    const written = await writeLandscapeReport(document, report)
    if (!options.json) printLine(`Written: ${written.page} and ${written.json}`)
  })
addImageOptions(landscapeCommand)

async function plane(path: string, options: Options): Promise<LandscapeDocument> {
  const { compareLandscapes, landscape, landscapeDocument } = await library()
  const { grid, range, normalize, ignore, compare } = options
  const first = { path, ...(await openModelAndData(path, options)) }
  const { model, dataset } = first
  const settings = { ...surveyOptions(options), normalize, ignore, ...defined({ grid, range }) }
  const second = compare === undefined ? null : await openSecond(compare, first, options)
  const found = await withProgress('landscape, images × points', (onProgress) =>
    second === null
      ? landscape(model, [], dataset, { ...settings, onProgress })
      : compareLandscapes(model, second, dataset, { ...settings, onProgress }),
  )
  const models = compare === undefined ? [path] : [path, compare]
  return landscapeDocument(found, { models, dataset: dataset.name })
}

async function line(path: string, between: string, options: Options): Promise<LossLineDocument> {
  const { lossLine, lossLineDocument } = await library()
  const { grid: points, range } = options
  if (points === 1) {
    throw new SosError('ERR_CONFIG', 'expected --grid of at least 2 with --between but received 1')
  }
  const first = { path, ...(await openModelAndData(path, options)) }
  const { model, dataset } = first
  const second = await openSecond(between, first, options)
  const settings = { ...surveyOptions(options), ...defined({ points, range }) }
  const found = await withProgress('line, images × points', (onProgress) =>
    lossLine(model, second, dataset, { ...settings, onProgress }),
  )
  return lossLineDocument(found, { models: [path, between], dataset: dataset.name })
}

/** The second model. If its file says how its images are preprocessed, that must be as the first model's are. */
async function openSecond(
  path: string,
  first: Awaited<ReturnType<typeof openModelAndData>> & { path: string },
  options: Options,
): Promise<ScriptModule> {
  const { checkpointRecord, preprocessOf, ScriptModule } = await library()
  const model = await ScriptModule.load(path, options)
  if (checkpointRecord(model)?.preprocess !== undefined) {
    const preprocess = preprocessOf(model, options.preset, preprocessChanges(options))
    expectSamePreprocessing(first, { path, preprocess })
  }
  return model
}

async function printFindings(document: LandscapeDocument | LossLineDocument): Promise<void> {
  const { landscapeFindings, lossLineFindings } = await library()
  const sentences = 't' in document ? lossLineFindings(document) : landscapeFindings(document)
  for (const sentence of sentences) printLine(`- ${sentence}`)
}

function surveyOptions({ device, samples, seed, outputs, output, chunk }: Options) {
  return { device, seed, outputs, chunk, ...defined({ samples, output }) }
}

/** The options that were given. */
function defined<T extends object>(options: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given) as { [K in keyof T]?: NonNullable<T[K]> }
}

function lengthOf(text: string): number {
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isFinite(number) && number >= 0) return number
  throw new InvalidArgumentError('Expected a number of at least 0.')
}
