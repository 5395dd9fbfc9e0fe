import { checkNumbers, count, expectList, expectObject, type NumberChecks, SosError } from '../base/index.js'
import type { Dataset, RunOptions, SkippedImage } from '../data/index.js'
import { evenIndices, expectDataset } from '../data/internal.js'
import { areProbabilities, type OutputKind, type OutputOptions } from '../model/index.js'
import {
  expectKind,
  expectLogits,
  InferenceModel,
  onImages,
  outputOf,
  type PassBatch,
  pass,
  warnIfRandom,
} from '../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { type Evaluation, EvaluationTally } from './evaluation.js'
import type { EvaluationRecord, RecordedBatch, RecordedScores } from './evaluation-record.js'
import { sampleScores } from './metrics.js'

/** Options of {@link evaluate} and {@link evaluateAll}. */
export interface EvaluateOptions extends RunOptions, OutputOptions {
  /** How many images to evaluate; they are spread evenly over the dataset. Default: all. */
  limit?: number
  /** The number of images in one forward. Default: 64. */
  chunk?: number
  /** Whether to give the accuracy on each class too. Default: false. */
  perClass?: boolean
  /**
   * Whether to run a frozen copy of the model that libtorch has optimised, in channels_last if there are convolutions. A model that has
   * hooks, or that cannot be frozen, runs as it is. The logits differ by rounding: in torchvision's networks by less than 1e-4 of the
   * largest logit. Default: true.
   */
  optimize?: boolean
  /**
   * Whether the models return logits or probabilities. Default: logits. A model that returns rows of probabilities then gives a warning:
   * its cross-entropy and calibration error would be computed with one softmax too many.
   */
  outputs?: OutputKind
  /** A record of the batches that are done: the evaluation adds to it, and takes the batches that it already has from it. Default: none. */
  record?: EvaluationRecord
}

/** The checks of the numbers in {@link EvaluateOptions}. */
export const evaluateNumbers: NumberChecks<EvaluateOptions> = { limit: count, chunk: count }

/**
 * Evaluates a classifier on a dataset, in eval mode and without gradients: accuracy, cross-entropy and calibration. It uses the weights that
 * the model has at the time of the call, so the model may be evaluated, shifted and called elsewhere meanwhile.
 *
 * A label is the index of an output. If the model names its outputs, the names of the dataset's classes are compared with them;
 * `datasetFor` relabels a dataset by these names.
 *
 * @param model a classifier with logits [N, classes] as its output, or as the item `options.output` of its output
 * @param dataset labelled images, preprocessed as the model needs them
 * @param options see {@link EvaluateOptions}. Default: all images, 64 at a time, on the model's device
 * @returns the scores, with the index and the prediction of each image
 * @throws `ERR_LABELS` if a label is not an output of the model, or is an output of another name; `ERR_RECORD` if the model names more or
 *   fewer classes than it has outputs, or if `options.record` is of another evaluation; `ERR_OUTPUT_SHAPE` if the output is not [N, classes];
 *   `ERR_PROBABILITIES` if `outputs` is `probabilities` and the output is something else; `ERR_DATASET` if every image is corrupt; `ERR_BUSY` if
 *   calls of a model in train mode are pending, or if a weight is written to meanwhile and the model runs as it is; `ERR_INVALID_ARGUMENT`
 * @example
 * const { top1, loss, indices } = await evaluate(model, test, { limit: 20 })
 * console.log(indices.length, top1, loss < 1) // → 20 90 true
 */
export async function evaluate(
  model: ScriptModule,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const [evaluation] = await evaluateAll([model], dataset, options)
  return evaluation!
}

/**
 * Evaluates several models on a dataset in one pass: each image is decoded only once.
 *
 * @param models the classifiers, on one device
 * @param dataset labelled images, preprocessed as all of the models need them
 * @param options see {@link EvaluateOptions}. Default: all images, 64 at a time, on the models' device
 * @returns an evaluation for each model, in their order
 * @throws as {@link evaluate}; `ERR_DEVICE` if the models are on different devices
 * @example
 * const copy = await model.clone()
 * const evaluations = await evaluateAll([model, copy], test, { limit: 20 })
 * console.log(evaluations.map(({ top1 }) => top1)) // → [ 90, 90 ]
 */
export async function evaluateAll(
  models: readonly ScriptModule[],
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation[]> {
  expectList('models', models)
  for (const [i, model] of models.entries()) expectModule(`models[${i}]`, model)
  expectDataset('dataset', dataset)
  expectObject('options', options)
  const { outputs = 'logits', limit, perClass = false, record } = options
  const device = options.device ?? deviceOf(models)
  checkNumbers(options, evaluateNumbers)
  const asked = evenIndices(dataset.size, limit)
  const tally = new EvaluationTally(models, dataset)
  record?.expectFor(models.length, dataset, asked.length)
  for (const batch of record?.batches ?? []) tally.add(batch)
  const missing = tally.missing(asked)
  if (missing.length > 0) await evaluateMissing(models, dataset, missing, tally, { ...options, device })
  return tally.evaluations(outputs, perClass)
}

/** Runs the models on the images that the record does not have. */
async function evaluateMissing(
  models: readonly ScriptModule[],
  dataset: Dataset,
  missing: readonly number[],
  tally: EvaluationTally,
  options: EvaluateOptions,
): Promise<void> {
  const { chunk = 64, device, record, onProgress, signal } = options
  const add = (batch: RecordedBatch, images?: Tensor) => {
    record?.append(batch)
    tally.add(batch, images)
  }
  const ready = await inferenceModels(models, options)
  try {
    const onAllCorrupt = (skipped: readonly SkippedImage[]) => add({ indices: [], skipped, models: [] })
    const before = { loaded: tally.indices.length, skipped: tally.skipped.length }
    const run = { chunk, device, dtype: null, before, onAllCorrupt, onProgress, signal }
    for await (const batch of pass(models[0]!, dataset, missing, run)) {
      for (const model of models) await warnIfRandom(model, batch.images)
      const scores = await scoreBatch(models, ready, batch, options, tally)
      add({ indices: batch.indices, skipped: batch.skipped, models: scores }, batch.images)
    }
  } finally {
    for (const model of ready) model.dispose()
  }
}

/** Copies of the models as they are at this moment, in eval mode. */
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
    `expected all models on one device, since they share the images, but ${models[0]!.path} is on ${devices[0]} and ${models[other]!.path} is on ${devices[other]}: move one of them by \`to({ device })\``,
  )
}

async function scoreBatch(
  models: readonly ScriptModule[],
  ready: readonly InferenceModel[],
  { images, labels }: PassBatch,
  { outputs = 'logits' }: EvaluateOptions,
  tally: EvaluationTally,
): Promise<RecordedScores[]> {
  const scores: RecordedScores[] = []
  for (const [i, model] of ready.entries()) {
    await torch.noGrad(() =>
      scope(async () => {
        const output = await onImages(models[i]!, images, async (some) =>
          expectLogits(await model.forward(some), some.shape[0]!),
        )
        const classes = output.shape[1]!
        tally.expectAgreement(i, classes)
        const probabilities = areProbabilities(output)
        if (outputs === 'probabilities') expectKind(output, outputs)
        const logits = outputs === 'logits' ? output : output.to('float64').log()
        scores.push({ classes, probabilities, ...sampleScores(logits, labels) })
      }),
    )
  }
  return scores
}
