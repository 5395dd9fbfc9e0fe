import { checkNumbers, expectList, expectObject, positive, refuseArgument, whole } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { type ScriptModule, type Tensor, torch } from '../../torch/index.js'
import { expectModule, expectTensor } from '../../torch/internal.js'
import type { Classifier } from '../collapse/neural-collapse.js'
import { inFullPrecision } from '../full-precision.js'
import { Classifiers, expectClassifiers } from './classifiers.js'
import { type DirectionOptions, drawDirection, movableParameters } from './directions.js'
import { WatchedLastLayer } from './last-layer.js'
import type { LossSums, PlaceScore } from './loss-sums.js'
import { MovedTensors } from './moved-tensors.js'
import { Grid } from './places.js'
import { copyToMove, type SurveyOptions, survey, surveyedIndices, withoutGradients } from './survey.js'

/** How a landscape is measured. */
export interface LandscapeOptions extends SurveyOptions, DirectionOptions {
  /** The number of points along each of the two axes. An odd number has the centre among them. Default: 25. */
  grid?: number
  /** The axes go from −range to range. A step of 1 along a filter has the length of that filter. Default: 1. */
  range?: number
}

/** A grid of values: a row for each y, in it a value for each x; null if the loss there is NaN or infinite. */
export type Surface = readonly (readonly (number | null)[])[]

/** The loss and the accuracy of a classifier on a plane. */
export interface LossSurface {
  /** The mean cross-entropy at each point. */
  readonly loss: Surface
  /** The top-1 accuracy in per cent at each point. */
  readonly accuracy: Surface
  /** The same where the weights are the classifier's own, which is a point of the grid only if the grid is odd. */
  readonly centre: PlaceScore
}

/** What is the same for all surfaces of a landscape. */
export interface LandscapeSettings {
  /** By which norms the directions were scaled. */
  readonly normalize: NonNullable<DirectionOptions['normalize']>
  /** Which parameters did not move. */
  readonly ignore: NonNullable<DirectionOptions['ignore']>
  /** The seed of the samples and the directions. */
  readonly seed: number
  /** The number of samples that were measured. */
  readonly samples: number
  /** The indices in the dataset of the samples that were asked for. */
  readonly indices: readonly number[]
  /** The number of parameters that moved. */
  readonly moved: number
}

/** Surfaces on one plane. */
export interface Landscape extends LandscapeSettings {
  /** The coordinates of the columns. */
  readonly x: readonly number[]
  /** The coordinates of the rows. */
  readonly y: readonly number[]
  /** The surface of the model, then one for each of the heads. */
  readonly surfaces: readonly LossSurface[]
}

const landscapeNumbers = { grid: whole(1, 1001), range: positive }

/**
 * Measures the loss on a plane through a model's weights, as Li et al. do (*Visualizing the loss landscape of neural
 * nets*, NeurIPS 2018): at θ + xd₁ + yd₂ for a grid of x and y, in eval mode, with two random directions over all
 * parameters. By default each filter of a direction has the norm of the same filter of the weights, and biases and the
 * weights of norms stay as they are:
 *
 *     d_f ← d_f ‖θ_f‖ / ‖d_f‖    for each filter f
 *
 * Buffers stay too, among them the statistics of BatchNorm.
 *
 * Other weights for the last layer, such as those after a shift, can be measured in the same pass, since they share all
 * that comes before that layer. All surfaces use the same directions, scaled by the norms of the model. By its own
 * norms, a classifier with smaller weights would take smaller steps and look flatter for that reason alone.
 *
 * The directions are not stored: the seed gives them again. In Python, with p going through the parameters of the
 * model, they are `torch.randn(p.shape, generator=g, dtype=p.dtype)`, first all parts of d₁, then all parts of d₂, from
 * one generator with that seed. Beside the model, the memory is four times that of the parameters, and one batch of images. The model
 * itself is not changed: a copy moves, without hooks. Weights in half precision are measured as the same numbers in
 * float32.
 *
 * @param model a classifier
 * @param heads other weights and biases for its last linear layer, [K, m] and [K] or null; they may be none
 * @param data the dataset that the samples are drawn from
 * @param options the grid, the directions, the samples, and how to run
 * @returns the axes and, for the model and then for each of the heads, loss and accuracy
 * @throws `ERR_FROZEN`; `ERR_INVALID_ARGUMENT`, also if no parameter would move; `ERR_BATCH_SIZE`; `ERR_SHAPE` if a
 *   head is not like the last layer; `ERR_NO_OUTPUT_LAYER` and `ERR_NOT_LAST` if there are heads but no such layer;
 *   `ERR_PROBABILITIES` if `outputs` is wrong; `ERR_OUTPUT_SHAPE`; `ERR_LABELS`; `ERR_DATASET`; `ERR_NOT_FINITE` if the
 *   logits of the model itself are NaN or infinite
 * @example
 * const shifted = await model.clone()
 * await shiftOptimum(shifted, train, { batchSize: 60 })
 * const head = { weight: shifted.namedParameters().get('fc.weight')!, bias: null }
 * const { x, surfaces } = await landscape(model, [head], train, { grid: 3, samples: 4 })
 * console.log(x, surfaces.length) // → [ -1, 0, 1 ] 2
 */
export async function landscape(
  model: ScriptModule,
  heads: readonly Classifier[],
  data: Dataset,
  options: LandscapeOptions = {},
): Promise<Landscape> {
  expectModule('model', model)
  expectHeads(heads)
  const indices = checkedIndices(data, options)
  return await withoutGradients(async () => {
    using held = await inFullPrecision(model)
    return await surfacesOf(held, held, heads, data, indices, options)
  })
}

/** Checks the arguments of a landscape that it shares with others. */
export function checkedIndices(data: Dataset, options: LandscapeOptions): number[] {
  expectDataset('data', data)
  checkNumbers(options, landscapeNumbers)
  const { normalize = 'filter', ignore = 'biasbn' } = options
  if (!['filter', 'layer', 'none'].includes(normalize)) {
    refuseArgument("'filter', 'layer' or 'none'", 'normalize', normalize)
  }
  if (ignore !== 'biasbn' && ignore !== 'none') refuseArgument("'biasbn' or 'none'", 'ignore', ignore)
  return surveyedIndices(data, options)
}

/**
 * Measures a model, and heads in its place, along directions with the norms of a model that has the same parameters.
 *
 * @param held the model, held in eval mode
 * @param normsOf the model whose norms are used
 */
export async function surfacesOf(
  held: ScriptModule,
  normsOf: ScriptModule,
  heads: readonly Classifier[],
  data: Dataset,
  indices: readonly number[],
  options: LandscapeOptions,
): Promise<Landscape> {
  const { grid: count = 25, range = 1, normalize = 'filter', ignore = 'biasbn', seed = 0, output } = options
  const generator = new torch.Generator(seed)
  const norms = movableParameters(normsOf)
  const directions = [1, 2].map(() => drawDirection(norms, generator, { normalize, ignore }))
  const names = [...directions[0]!.keys()]
  if (names.length === 0) {
    refuseArgument(
      "a model with a weight of two dimensions or more, or ignore: 'none',",
      'model',
      normsOf.path,
    )
  }
  using copy = await copyToMove(held)
  const parameters = copy.namedParameters()
  const tensors = names.map((name) => parameters.get(name)!)
  using layer = heads.length === 0 ? null : new WatchedLastLayer(copy, output)
  const classifiers = layer && classifiersOf(layer, held, heads, directions)
  const moved = new MovedTensors(
    tensors,
    directions.map((direction) => names.map((name) => direction.get(name)!)),
  )
  // Both have copies of what they need.
  for (const part of directions.flatMap((direction) => [...direction.values()])) part.dispose()
  const grid = new Grid(count, range)
  const sums = await survey(
    {
      copy,
      places: grid.places,
      moveTo: (coordinates) => moved.moveTo(coordinates),
      heads: layer && classifiers && { layer, classifiers },
    },
    data,
    indices,
    options,
  )
  return {
    x: grid.axis,
    y: grid.axis,
    surfaces: Array.from({ length: 1 + heads.length }, (_, i) => surfaceOf(grid, sums, i)),
    normalize,
    ignore,
    seed,
    samples: sums.images,
    indices,
    moved: tensors.reduce((sum, tensor) => sum + tensor.numel(), 0),
  }
}

/** The model's own last layer, then the heads; they all move along the directions of that layer. */
function classifiersOf(
  { weightName, biasName }: WatchedLastLayer,
  model: ScriptModule,
  heads: readonly Classifier[],
  directions: readonly ReadonlyMap<string, Tensor>[],
): Classifiers {
  const parameters = model.namedParameters()
  const own = { weight: parameters.get(weightName)!, bias: parameters.get(biasName) ?? null }
  expectClassifiers(own, heads)
  return new Classifiers(
    [own, ...heads],
    directions.map((direction) => direction.get(weightName)),
    directions.map((direction) => direction.get(biasName)),
    model.device,
  )
}

function surfaceOf(grid: Grid, sums: LossSums, classifier: number): LossSurface {
  const scores = sums.scores(classifier)
  const rows = grid.rows(scores)
  return {
    loss: rows.map((row) => row.map(({ loss }) => loss)),
    accuracy: rows.map((row) => row.map(({ accuracy }) => accuracy)),
    centre: scores[0]!,
  }
}

function expectHeads(heads: unknown): void {
  expectList('heads', heads)
  for (const head of heads) {
    expectObject('a head', head)
    const { weight, bias } = head as Partial<Classifier>
    expectTensor('the weight of a head', weight)
    if (bias !== null) expectTensor('the bias of a head, which may be null,', bias)
  }
}
