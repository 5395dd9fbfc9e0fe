import { checkNumbers, count, expectList, expectObject, type NumberChecks, SosError } from '../base/index.js'
import type { Dataset, RunOptions, SkippedImage } from '../data/index.js'
import { expectDataset, spread } from '../data/internal.js'
import { areProbabilities, type OutputKind, type OutputOptions } from '../model/index.js'
import {
  classDoubts,
  expectKind,
  expectLogits,
  InferenceModel,
  onImages,
  outputOf,
  type PassBatch,
  pass,
  warnIfRandom,
  warnOfClasses,
} from '../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import type { EvaluationRecord, RecordedScores } from './evaluation-record.js'
import { type Score, ScoreSums, sampleScores } from './metrics.js'
import { OutputDoubts } from './output-doubts.js'

export interface EvaluateOptions extends RunOptions, OutputOptions {
  /** Evaluate this many images, spread evenly over the dataset. Default: all. */
  limit?: number
  /** Images in one forward. Default: 64. */
  chunk?: number
  /** Tell the accuracy of each class too. Default: false. */
  perClass?: boolean
  /**
   * Run a frozen copy that libtorch has optimised, in channels_last where there are convolutions; a model that is hooked,
   * or that cannot be frozen, runs as it is. Logits differ by rounding: by less than 1e-4 of the largest in torchvision's
   * networks. Default: true.
   */
  optimize?: boolean
  /**
   * What the models return. Default: logits; rows of probabilities are told by a warning then, for their cross-entropy and calibration
   * are of one softmax too many.
   */
  outputs?: OutputKind
  /** Where each batch is recorded when it is done; those that it holds already are taken from it. Default: none. */
  record?: EvaluationRecord
}

/** Of the numbers in {@link EvaluateOptions}. */
export const evaluateNumbers: NumberChecks<EvaluateOptions> = { limit: count, chunk: count }

/** The images of one class. */
export interface ClassScore {
  readonly name: string
  readonly images: number
  /** Those predicted rightly, in per cent; null where there are none. */
  readonly top1: number | null
}

/** What a model scores on a dataset; its lists are in the order of `indices`. */
export interface Evaluation extends Score {
  /** The dataset's index of each evaluated image. */
  readonly indices: readonly number[]
  /** Corrupt images, which are not counted. */
  readonly skipped: readonly SkippedImage[]
  /** In the order of the dataset's classes; null where it was not asked for. */
  readonly perClass: readonly ClassScore[] | null
  /**
   * What makes the figures doubtful: that the labels may not be the outputs that they are taken for, that the model is random, or that its outputs are no logits, or
   * no numbers. Told by the process warnings `SOS_CLASSES`, `SOS_RANDOM`, `SOS_PROBABILITIES` and `SOS_NOT_FINITE` too.
   */
  readonly warnings: readonly string[]
}

/**
 * Runs a classifier over a dataset, in eval mode and without gradients, with the weights that it has when this is called: the model may be
 * evaluated, shifted and called by others meanwhile. A label is the place of an output. Where the model tells
 * the names of its outputs, those of the dataset are held against them: `datasetFor` finds them by their names.
 *
 * @throws `ERR_LABELS` where a label is beyond the model's outputs or by its class's name another, `ERR_RECORD` where the
 *   model names more or fewer classes than it has outputs, `ERR_OUTPUT_SHAPE` where the output is no [N, classes],
 *   `ERR_PROBABILITIES` where it is not of the probabilities that were told,
 *   `ERR_DATASET` where every image was skipped, `ERR_DEVICE` where the models of one pass are on several devices,
 *   `ERR_BUSY` where calls of a model in train mode are pending, or (a model that runs as it is) a weight is written to meanwhile
 */
export async function evaluate(
  model: ScriptModule,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const [evaluation] = await evaluateAll([model], dataset, options)
  return evaluation!
}

/** As {@link evaluate}, with several models, which share the decoded images. An evaluation for each, in their order. */
export async function evaluateAll(
  models: readonly ScriptModule[],
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation[]> {
  expectList('models', models)
  for (const [i, model] of models.entries()) expectModule(`models[${i}]`, model)
  expectDataset('dataset', dataset)
  expectObject('options', options)
  const { outputs = 'logits', limit, chunk = 64, perClass = false, record, onProgress, signal } = options
  const device = options.device ?? deviceOf(models)
  checkNumbers(options, evaluateNumbers)
  const asked = spread(dataset.size, limit)
  const indices: number[] = []
  const skipped: SkippedImage[] = []
  const sums: ScoreSums[] = []
  const doubts = models.map((model) => new OutputDoubts(model))
  const warnings: string[][] = []
  const agree = (i: number, classes: number) => {
    if (warnings[i] !== undefined) return
    const { count, order } = classDoubts(models[i]!, dataset, classes)
    warnings[i] = count === null ? order : [count, ...order]
    warnOfClasses(warnings[i])
  }
  const add = (
    part: { indices: readonly number[]; skipped: readonly SkippedImage[] },
    scores: readonly RecordedScores[],
    images?: Tensor,
  ) => {
    for (const index of part.indices) indices.push(index)
    for (const image of part.skipped) skipped.push(image)
    for (const [i, score] of scores.entries()) {
      agree(i, score.classes)
      sums[i] ??= new ScoreSums(score.classes)
      sums[i].add(score)
      doubts[i]!.add(score, images)
    }
  }
  record?.expectFor(models.length, dataset, asked.length)
  for (const batch of record?.batches ?? []) add(batch, batch.models)
  const known = new Set([...indices, ...skipped.map(({ index }) => index)])
  const left = asked.filter((index) => !known.has(index))
  if (left.length > 0) {
    const ready = await inferenceModels(models, options)
    try {
      const corrupt = (some: readonly SkippedImage[]) => {
        record?.append({ indices: [], skipped: some, models: [] })
        add({ indices: [], skipped: some }, [])
      }
      const before = { loaded: indices.length, skipped: skipped.length }
      const run = { chunk, device, dtype: null, before, onAllCorrupt: corrupt, onProgress, signal }
      for await (const batch of pass(models[0]!, dataset, left, run)) {
        for (const model of models) await warnIfRandom(model, batch.images)
        const scores = await scoreBatch(models, ready, batch, options, agree)
        const scored = { indices: batch.indices, skipped: batch.skipped }
        record?.append({ ...scored, models: scores })
        add(scored, scores, batch.images)
      }
    } finally {
      for (const model of ready) model.dispose()
    }
  }
  return sums.map((sum, i) => {
    const score = sum.score()
    return {
      ...score,
      indices,
      skipped,
      perClass: perClass ? classScores(dataset, indices, score.correct) : null,
      warnings: [...warnings[i]!, ...doubts[i]!.warnings(outputs)],
    }
  })
}

/** Of the models as they are at this moment, in eval mode. */
async function inferenceModels(
  models: readonly ScriptModule[],
  { optimize = true, output }: EvaluateOptions,
): Promise<InferenceModel[]> {
  const made = await Promise.allSettled(
    models.map(async (model) =>
      InferenceModel[optimize ? 'of' : 'asItIs'](model, (one) => outputOf(one, output)),
    ),
  )
  const ready = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = made.find((one) => one.status === 'rejected')
  if (failed === undefined) return ready
  for (const model of ready) model.dispose()
  throw failed.reason
}

function deviceOf(models: readonly ScriptModule[]): string | undefined {
  const devices = models.map(({ device }) => device)
  const other = devices.findIndex((device) => device !== devices[0])
  if (other === -1) return devices[0]
  throw new SosError(
    'ERR_DEVICE',
    `expected the models on one device, for they share the images, but ${models[0]!.path} is on ${devices[0]} and ${models[other]!.path} on ${devices[other]}; move one by \`to({ device })\``,
  )
}

async function scoreBatch(
  models: readonly ScriptModule[],
  ready: readonly InferenceModel[],
  { images, labels }: PassBatch,
  { outputs = 'logits' }: EvaluateOptions,
  agree: (model: number, classes: number) => void,
): Promise<RecordedScores[]> {
  const scores: RecordedScores[] = []
  for (const [i, model] of ready.entries()) {
    await torch.noGrad(() =>
      scope(async () => {
        const output = await onImages(models[i]!, images, async (some) =>
          expectLogits(await model.forward(some), some.shape[0]!),
        )
        const classes = output.shape[1]!
        agree(i, classes)
        const probabilities = areProbabilities(output)
        if (outputs === 'probabilities') expectKind(output, outputs)
        const logits = outputs === 'logits' ? output : output.to('float64').log()
        scores.push({ classes, probabilities, ...sampleScores(logits, labels) })
      }),
    )
  }
  return scores
}

function classScores(dataset: Dataset, indices: readonly number[], correct: Uint8Array): ClassScore[] {
  const counts = dataset.classes.map((name) => ({ name, images: 0, right: 0 }))
  for (const [i, index] of indices.entries()) {
    const count = counts[dataset.labels[index]!]!
    count.images++
    count.right += correct[i]!
  }
  return counts.map(({ name, images, right }) => ({
    name,
    images,
    top1: images > 0 ? (100 * right) / images : null,
  }))
}
