import { checkNumbers, nonNegative, whole } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { type ScriptModule, type Tensor, torch } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { inFullPrecision } from '../full-precision.js'
import { Classifiers } from './classifiers.js'
import { movable, movableParameters } from './directions.js'
import { WatchedLastLayer } from './last-layer.js'
import type { PlaceScore } from './loss-sums.js'
import { MovedTensors } from './moved-tensors.js'
import { evenly } from './places.js'
import { differInLastLayer, expectSameState } from './same-state.js'
import {
  copyToMove,
  type Surveyed,
  type SurveyOptions,
  survey,
  surveyedIndices,
  withoutGradients,
} from './survey.js'

/** How the loss is measured between two models. */
export interface LossLineOptions extends SurveyOptions {
  /** The number of points. Default: 51. */
  points?: number
  /** How far the line goes beyond each of the models, in their distance: t goes from −range to 1 + range. Default: 0.5. */
  range?: number
}

/** The loss on a line through two models. */
export interface LossLine {
  /** The coordinates of the points: 0 is the first model, and 1 the second. */
  readonly t: readonly number[]
  /** The mean cross-entropy at each point; null if it is NaN or infinite. */
  readonly loss: readonly (number | null)[]
  /** The top-1 accuracy in per cent at each point; null with the loss. */
  readonly accuracy: readonly (number | null)[]
  /** Loss and accuracy of the two models, which need not be among the points. */
  readonly ends: readonly [first: PlaceScore, second: PlaceScore]
  /** Whether the models differ in their last layer only, so that each batch of images took one forward for all points. */
  readonly sharedFeatures: boolean
  /** The seed of the samples. */
  readonly seed: number
  /** The number of samples that were measured. */
  readonly samples: number
  /** The indices in the dataset of the samples that were asked for. */
  readonly indices: readonly number[]
}

const lineNumbers = { points: whole(2, 1_000_000), range: nonNegative }

/**
 * Measures the loss on the straight line through two models of the same architecture, in eval mode: at (1 − t)θ₁ + tθ₂
 * for all parameters. Buffers with floating-point numbers, such as the statistics of BatchNorm, go along the same line,
 * so that both ends are the models themselves. Beyond the ends they stay as they are there, since a variance must not
 * become negative.
 *
 * If the models differ in their last linear layer only, as before and after a shift, each batch of images takes one
 * forward, and each point is a matrix product in float64. On the batch of a shift the loss is then constant up to the
 * change of its logits that the shift allows.
 *
 * The models are not changed. Weights in half precision are measured as the same numbers in float32.
 *
 * @param first a classifier, at t = 0
 * @param second a classifier with the same names and shapes, at t = 1
 * @param data the dataset that the samples are drawn from
 * @param options the points, the samples, and how to run
 * @returns loss and accuracy at the points, and of the two models
 * @throws `ERR_STATE_DICT_MISMATCH` if the parameters or buffers have other names or shapes; `ERR_FROZEN`;
 *   `ERR_INVALID_ARGUMENT`; `ERR_BATCH_SIZE`; `ERR_PROBABILITIES` if `outputs` is wrong; `ERR_OUTPUT_SHAPE`;
 *   `ERR_LABELS`; `ERR_DATASET`; `ERR_NOT_FINITE` if the logits of the first model are NaN or infinite
 * @example
 * const shifted = await model.clone()
 * await shiftOptimum(shifted, train, { batchSize: 60 })
 * const { t, loss } = await lossLine(model, shifted, train, { points: 5, samples: 8 })
 * console.log(t, loss.length) // → [ -0.5, 0, 0.5, 1, 1.5 ] 5
 */
export async function lossLine(
  first: ScriptModule,
  second: ScriptModule,
  data: Dataset,
  options: LossLineOptions = {},
): Promise<LossLine> {
  expectModule('first', first)
  expectModule('second', second)
  expectDataset('data', data)
  checkNumbers(options, lineNumbers)
  const { points = 51, range = 0.5, seed = 0 } = options
  const indices = surveyedIndices(data, options)
  const t = evenly(points, -range, 1 + range)
  const places = [0, 1, ...t].map((at) => [at])
  return await withoutGradients(async () => {
    using one = await inFullPrecision(first)
    using other = await inFullPrecision(second)
    expectSameState(one, other)
    const pair = await differInLastLayer(one, other, data, indices, options)
    using copy = await copyToMove(one)
    using layer = pair && new WatchedLastLayer(copy, options.output)
    const difference = (from: Tensor | null, to: Tensor | null) =>
      from === null || to === null ? undefined : to.to('float64').sub(from)
    const moving: Omit<Surveyed, 'copy' | 'places'> =
      pair === null || layer === null
        ? { moveTo: between(copy, other), heads: null }
        : {
            moveTo: null,
            heads: {
              layer,
              classifiers: new Classifiers(
                [pair.first],
                [difference(pair.first.weight, pair.second.weight)],
                [difference(pair.first.bias, pair.second.bias)],
                copy.device,
              ),
            },
          }
    const sums = await survey({ copy, places, ...moving }, data, indices, options)
    const [start, end, ...line] = sums.scores(0)
    return {
      t,
      loss: line.map(({ loss }) => loss),
      accuracy: line.map(({ accuracy }) => accuracy),
      ends: [start!, end!],
      sharedFeatures: pair !== null,
      seed,
      samples: sums.images,
      indices,
    }
  })
}

/** Moves the parameters and the floating-point buffers of a copy towards those of another model. */
function between(copy: ScriptModule, other: ScriptModule): Surveyed['moveTo'] {
  const moved = (from: ReadonlyMap<string, Tensor>, to: ReadonlyMap<string, Tensor>) => {
    const steps = [...from].map(([name, tensor]) => torch.sub(to.get(name)!, tensor))
    const copied = new MovedTensors([...from.values()], [steps])
    for (const step of steps) step.dispose()
    return copied
  }
  const parameters = moved(movableParameters(copy), other.namedParameters())
  const buffers = moved(movable(copy.namedBuffers()), other.namedBuffers())
  return async ([t]) => {
    await parameters.moveTo([t!])
    await buffers.moveTo([Math.min(1, Math.max(0, t!))])
  }
}
