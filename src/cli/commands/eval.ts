import { Command, Option } from 'commander'
import { SosError, specHelp } from '../../base/index.js'
import type { Progress } from '../../data/index.js'
import type { ClassScore, Evaluation, EvaluationRecord } from '../../evaluate/index.js'
import type { OutputKind } from '../../model/index.js'
import { commandLine } from '../shared/command-line.js'
import { untilInterrupted } from '../shared/interrupt.js'
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
import { figure, percent, printJson, printLine, printTable, pValue } from '../shared/print.js'
import { withProgress } from '../shared/progress.js'
import { evaluationRecords } from '../shared/records.js'

interface Options extends ModelOptions {
  limit?: number
  chunk: number
  perClass?: boolean
  record?: string
  resume?: string
  optimize: boolean
  outputs: OutputKind
}

type Opened = Awaited<ReturnType<typeof openModelAndData>> & { path: string }

export const evalCommand = new Command('eval')
  .description(
    'measure accuracy, cross-entropy and calibration of classifiers on a dataset, and compare them by McNemar’s test',
  )
  .argument('<model...>', 'TorchScript files; each is compared with the first')
  .requiredOption('--data <spec>', specHelp)
  .addOption(presetOption)
  .option('--limit <n>', 'evaluate n images, spread evenly over the dataset', wholeNumber(1))
  .addOption(chunkOption(64))
  .option('--per-class', 'print the accuracy of each class too')
  .addOption(
    new Option('--record <file>', 'record each finished batch in FILE (JSON lines)').conflicts('resume'),
  )
  .option('--resume <file>', 'continue from the record in FILE, which is begun if there is none')
  .addOption(outputsOption)
  .addOption(outputOption)
  .option('--no-optimize', 'run the models themselves instead of frozen and optimised copies')
  .addOption(deviceOption)
  .option(
    '--json',
    'print one JSON document: [{ model, top1, top5, loss, calibrationError, images, skipped, warnings, perClass, mcnemar }]',
  )
  .addHelpText(
    'after',
    `
In the JSON, accuracies are in per cent, the loss is in nats, and the calibration error is in [0, 1]. The loss and the calibration
error are null if they are NaN.
  skipped   the number of corrupt images
  warnings  reasons for doubt: labels that may belong to other outputs, outputs that are not logits or not finite, a random model
  perClass  [{ name, images, top1 }], or null without --per-class
  mcnemar   { onlyFirst, onlySecond, pValue }: the numbers of images that only the first model, or only this one, gets right;
            null for the first model

With a record, Ctrl-C ends after the current batch (exit code 130), and the command to continue with is printed.

Examples:
  sos eval resnet50.pt --data imagefolder:imagenet/val --limit 1000
  sos eval resnet50.pt resnet50.sos.pt --data imagefolder:imagenet/val --resume eval.jsonl
  sos eval resnet50.ts.pt --preset resnet50 --classes imagenet --data imagefolder:imagenette/val
`,
  )
  .action(async (paths: string[], options: Options) => {
    const opened: Opened[] = []
    for (const path of paths) opened.push({ path, ...(await openModelAndData(path, options)) })
    const evaluations = await evaluatePasses(opened, options)
    const records = evaluationRecords(paths, evaluations)
    const { skipped } = evaluations[0]!
    const { name } = opened[0]!.dataset
    if (options.json) return printJson(records)
    printLine(name)
    printLine()
    printTable(
      ['model', 'top-1', 'top-5', 'loss', 'calibration error', 'images'],
      records.map(({ model, top1, top5, loss, calibrationError, images }) => [
        model,
        percent(top1),
        percent(top5),
        figure(loss),
        figure(calibrationError),
        String(images),
      ]),
    )
    if (skipped.length > 0) {
      printLine(`${skipped.length} corrupt image(s) skipped: ${skipped[0]!.reason}`)
    }
    if (records.length > 1) printComparison(records)
    if (options.perClass) printClasses(records)
  })
addImageOptions(evalCommand)

/** Evaluates the models, in their order, with one pass over the images for all that have the same preprocessing and classes. */
async function evaluatePasses(opened: readonly Opened[], options: Options): Promise<Evaluation[]> {
  const { evaluateAll } = await library()
  const file = options.record ?? options.resume
  const passes = new Map<string, Opened[]>()
  for (const one of opened) {
    const key = JSON.stringify([one.preprocess, one.dataset.classes])
    passes.set(key, [...(passes.get(key) ?? []), one])
  }
  if (file !== undefined && passes.size > 1) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected models with the same preprocessing and classes for one record; evaluate them one by one, each with its own record',
    )
  }
  const evaluations = new Map<Opened, Evaluation>()
  for (const pass of passes.values()) {
    const { dataset } = pass[0]!
    const models = pass.map(({ model }) => model)
    const label = pass.length === 1 ? `eval ${pass[0]!.path}` : `eval ${pass.length} models`
    const run = (update: (progress: Progress) => void, more = {}) =>
      evaluateAll(models, dataset, { ...options, record: undefined, onProgress: update, ...more })
    const results = await withProgress(label, async (update) =>
      file === undefined ? run(update) : withRecord(file, pass, options, update, run),
    )
    for (const [i, one] of pass.entries()) evaluations.set(one, results[i]!)
  }
  return opened.map((one) => evaluations.get(one)!)
}

async function withRecord<T>(
  file: string,
  pass: readonly Opened[],
  options: Options,
  update: (progress: Progress) => void,
  run: (
    update: (progress: Progress) => void,
    more: { record: EvaluationRecord; signal: AbortSignal },
  ) => Promise<T>,
): Promise<T> {
  const { EvaluationRecord, evaluationSubject } = await library()
  const { dataset, preprocess } = pass[0]!
  const paths = pass.map(({ path }) => path)
  const subject = await evaluationSubject(paths, dataset, preprocess, options)
  let done = 0
  const message = () =>
    `interrupted after ${done} of ${subject.images} images; continue with: ${commandLine({ '--record': '--resume' })}`
  return untilInterrupted(message, async (signal) => {
    const record = EvaluationRecord[options.resume === undefined ? 'create' : 'resume'](file, subject)
    done = record.batches.reduce((sum, { indices, skipped }) => sum + indices.length + skipped.length, 0)
    const onProgress = (progress: Progress) => {
      done = progress.done
      update(progress)
    }
    try {
      return await run(onProgress, { record, signal })
    } finally {
      record.close()
    }
  })
}

type Records = ReturnType<typeof evaluationRecords>

function printComparison(records: Records): void {
  printLine()
  printTable(
    [
      `compared with ${records[0]!.model}`,
      'right only in the first',
      'right only in this one',
      'McNemar’s p',
    ],
    records.flatMap(({ model, mcnemar }) =>
      mcnemar === null
        ? []
        : [[model, String(mcnemar.onlyFirst), String(mcnemar.onlySecond), pValue(mcnemar.pValue)]],
    ),
  )
}

function printClasses(records: Records): void {
  printLine()
  printTable(
    ['class', 'images', ...records.map(({ model }) => model)],
    records[0]!
      .perClass!.filter(({ images }) => images > 0)
      .map((one) => [
        one.name,
        String(one.images),
        ...records.map(({ perClass }) => percent(scoreOf(one, perClass!)?.top1 ?? null)),
      ]),
  )
}

/** The score of the same class by another model, whose classes may be in another order. */
function scoreOf({ name }: ClassScore, classes: readonly ClassScore[]): ClassScore | undefined {
  return classes.find((one) => one.name === name && one.images > 0)
}
