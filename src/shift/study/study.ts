import { checkNumbers, count, holm, nonNegative } from '../../base/index.js'
import type { Dataset, Progress, RunOptions } from '../../data/index.js'
import { evenIndices, expectDataset } from '../../data/internal.js'
import type { OutputOptions } from '../../model/index.js'
import { expectSameClasses } from '../../model/internal.js'
import { type ScriptModule, torch } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { expectOwnBias, linearLayer, untied } from '../layer/layer.js'
import { cacheFeatures, type Features } from './features.js'
import type { RowStoreOptions } from './row-store.js'
import { StudyLayer } from './study-layer.js'
import { planStudy, type StudyPlanOptions } from './study-plan.js'
import type { Study, StudyData, StudyRow } from './study-result.js'
import { studyRows } from './study-rows.js'
import { summarise } from './study-summary.js'
import { ValidationMeter } from './validation-meter.js'

/** What a study tries, and how it runs. */
export interface StudyOptions
  extends StudyPlanOptions,
    Omit<RunOptions, 'onProgress'>,
    RowStoreOptions,
    OutputOptions {
  /**
   * The path of the linear layer, whose output must be the model's. Default: the linear layer that makes the output.
   */
  layer?: string
  /** Whether to measure the controls beside each row of the first policy, sampling and bias mode. Default: false. */
  controls?: boolean
  /** The number of validation images, spread evenly over their dataset. Default: all. */
  limit?: number
  /** How many images one forward takes. Default: 64. */
  chunk?: number
  /** Called after each batch of images and after each shift. */
  onProgress?: (progress: StudyProgress) => void
}

/** How far a study is. */
export interface StudyProgress {
  /** What the study is working on. */
  readonly phase: 'training images' | 'validation images' | 'shifts'
  /** How many images or shifts are done. */
  readonly done: number
  /** How many there are. */
  readonly total: number
}

/**
 * Shifts the last layer of a classifier in many ways and evaluates all of them for one pass over the images. A shift
 * changes this layer alone, so its inputs are computed once. After that, every batch size, draw and policy is a matrix
 * product. The model is left as it is, and each shift starts from the original V.
 *
 * A row's predictions are those of `evaluate` for the model that `shiftOptimum` makes with the same batch size, seed,
 * sampling, policy and bias mode, except for images whose two largest logits differ by no more than rounding.
 *
 * @param model a classifier that ends in a linear layer
 * @param train the dataset that batches are drawn from
 * @param validation the dataset that all shifts are evaluated on
 * @param options what to try, and how to run
 * @returns everything that was found, as plain data
 * @throws `ERR_LABELS` if the classes of the datasets and the model are not the same; `ERR_NOT_LAST` if the layer's
 *   output is not the model's; `ERR_BATCH_SIZE`, `ERR_RANK_POLICY`, `ERR_BIAS`, and what capturing throws
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * console.log(study.rows.map(({ seed, rank }) => [seed, rank])) // → [ [ 0, 30 ], [ 1, 30 ] ]
 */
export async function runStudy(
  model: ScriptModule,
  train: Dataset,
  validation: Dataset,
  options: StudyOptions,
): Promise<Study> {
  expectDataset('validation', validation)
  expectModule('model', model)
  expectDataset('train', train)
  const start = performance.now()
  checkNumbers<Pick<StudyOptions, 'limit' | 'chunk' | 'mapAbove'>>(options, {
    limit: count,
    chunk: count,
    mapAbove: nonNegative,
  })
  const layer = untied(model, linearLayer(model, options.layer, options.output))
  expectOwnBias(model, layer, options.biases ?? [])
  expectSameClasses(model, train, validation)
  const plan = planStudy(train, options)
  const needed = [...new Set(plan.batches.flatMap(({ indices }) => indices))].sort((a, b) => a - b)
  using held = model.view({ eval: true })
  using weights = new StudyLayer(held, layer)
  // A row must have the results of the commands: `sos shift` captures from the model, and `sos eval` runs a frozen copy.
  const trained = await cacheFeatures(held, layer, train, needed, {
    ...options,
    onProgress: progressOf('training images', options),
  })
  using _trainingRows = trained.rows
  const validated = await cacheFeatures(
    held,
    layer,
    validation,
    evenIndices(validation.size, options.limit),
    {
      ...options,
      frozen: true,
      onProgress: progressOf('validation images', options),
    },
  )
  using _validationRows = validated.rows
  held.dispose() // only the features are needed from here on
  const captured = performance.now()
  using meter = await ValidationMeter.open(validated, validation.labels, weights.stored, options)
  const { controls = false, signal } = options
  const found = await torch.noGrad(() =>
    studyRows(
      { plan, train, features: trained, layer: weights, meter, controls, signal },
      progressOf('shifts', options),
    ),
  )
  const rows = withAdjustedPValues(found.rows)
  return {
    version: 1,
    model: model.path,
    layer: layer.path,
    inFeatures: layer.inFeatures,
    classes: layer.outFeatures,
    train: dataOf(train, trained),
    validation: dataOf(validation, validated),
    batchSizes: plan.batchSizes,
    seeds: plan.seeds,
    solver: plan.solver,
    normBefore: weights.norm,
    before: meter.before,
    rows,
    controls: found.controls,
    summaries: summarise([...rows, ...found.controls]),
    spectra: found.spectra,
    paths: found.paths,
    milliseconds: { features: captured - start, rows: performance.now() - captured },
  }
}

function progressOf(phase: StudyProgress['phase'], { onProgress }: StudyOptions) {
  return ({ done, total }: Progress) => onProgress?.({ phase, done, total })
}

function dataOf({ name }: Dataset, { indices, skipped }: Features): StudyData {
  return { dataset: name, images: indices.length, skipped }
}

/** Corrects the p-values for the number of rows, by Holm's method. */
function withAdjustedPValues(rows: readonly StudyRow[]): StudyRow[] {
  const adjusted = holm(rows.map(({ test }) => test.pValue))
  return rows.map((row, i) => ({ ...row, test: { ...row.test, adjustedPValue: adjusted[i]! } }))
}
