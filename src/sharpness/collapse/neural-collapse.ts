import { expectFunction, expectObject, SosError } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { expectTensor } from '../../torch/internal.js'
import { ClassScatter, rowsOf } from './class-scatter.js'

/** The inputs of the last layer with their classes. */
export interface LabelledRows {
  /** [k, m], any floating-point dtype and device. */
  readonly rows: Tensor
  /** The class of each row, [k]. */
  readonly labels: ArrayLike<number>
}

/** The last layer, z = Wh + b. */
export interface Classifier {
  /** W as TorchScript stores it, [K, m]. */
  readonly weight: Tensor
  /** b, [K]; null if there is none. */
  readonly bias: Tensor | null
}

/** How evenly K vectors are spread. */
export interface VectorSpread {
  /** The standard deviation of their lengths divided by the mean: 0 if all are equally long. */
  readonly normVariation: number
  /** The mean over pairs of |cos + 1/(K − 1)|: 0 if all are as far apart as K vectors can be. */
  readonly angleDeviation: number
}

/** How far a classifier is from neural collapse. Each figure is 0 in the limit. */
export interface NeuralCollapse {
  /** The number of samples. */
  readonly samples: number
  /** K, the number of classes. */
  readonly classes: number
  /** NC1, the variability within classes: tr(Σ_W Σ_B⁺) / K. */
  readonly variability: number
  /** The rank of Σ_B on which it was inverted: K − 1 if the means are in general position and m allows it. */
  readonly betweenRank: number
  /** NC2 of the centred class means, μ_c − μ_G. */
  readonly means: VectorSpread
  /** NC2 of the classifier's rows, w_c. */
  readonly weights: VectorSpread
  /**
   * NC3, self-duality: ‖W/‖W‖_F − M/‖M‖_F‖²_F with the centred means as the rows of M; 2 if they are orthogonal, 4 at
   * most.
   */
  readonly duality: number
  /**
   * NC4: the share of samples whose nearest class mean is not the class that the classifier, with its bias, predicts.
   */
  readonly disagreement: number
}

/**
 * Measures the four properties of neural collapse (Papyan, Han and Donoho, *Prevalence of neural collapse during the
 * terminal phase of deep learning training*, PNAS 2020), in float64. With h_i the inputs of the last layer, μ_c the
 * mean of class c and μ_G = Σ_c μ_c / K:
 *
 *     Σ_W = Σ_i (h_i − μ_{y_i})(h_i − μ_{y_i})ᵀ / N      Σ_B = Σ_c (μ_c − μ_G)(μ_c − μ_G)ᵀ / K
 *
 * The paper's classes are equally large. For other classes, Σ_W weights all samples alike and μ_G all classes alike, as
 * the authors' own code does. Since μ_G is the mean of the class means, Σ_B has rank K − 1 at most. It is inverted on
 * that rank: a pseudo-inverse by a tolerance alone would take the rounding of the K-th direction for a part of Σ_B.
 * Standard deviations are those of the K vectors at hand (divided by K).
 *
 * The rows are read twice, since NC4 needs the nearest of the final means: `chunks` is called twice and must give the
 * same rows both times. No features are kept, and the memory is O(m² + Km).
 *
 * @param chunks returns the inputs of the last layer with their classes, chunk by chunk, from the beginning at each
 *   call
 * @param classifier the last layer's weight and bias
 * @returns the four measures
 * @throws `ERR_SHAPE`; `ERR_LABELS`; `ERR_CLASSES` for a class without samples, fewer than 2 classes, or class means
 *   that are all equal; `ERR_NOT_FINITE`
 * @example
 * const parameters = model.namedParameters()
 * const classifier = { weight: parameters.get('fc.weight')!, bias: parameters.get('fc.bias')! }
 * const samples = Array.from({ length: train.size }, (_, i) => i)
 * const { classes, disagreement } = await neuralCollapse(async function* () {
 *   for await (const { rows, indices } of captureChunks(model, linearLayer(model), train, samples)) {
 *     yield { rows: rows[0]!, labels: indices.map((index) => train.labels[index]!) }
 *   }
 * }, classifier)
 * console.log(classes, disagreement >= 0) // → 10 true
 */
export async function neuralCollapse(
  chunks: () => AsyncIterable<LabelledRows> | Iterable<LabelledRows>,
  classifier: Classifier,
): Promise<NeuralCollapse> {
  expectFunction('chunks', chunks)
  expectObject('classifier', classifier)
  const [classes, features] = expectClassifier(classifier)
  using scatter = new ClassScatter(classes, features)
  for await (const { rows, labels } of chunks()) await scatter.add(rows, labels)
  expectAllClasses(scatter)
  using means = torch.noGrad(() => scatter.means())
  const figures = torch.noGrad(() => scope(() => measure(scatter, means, classifier)))
  let disagreements = 0
  let samples = 0
  for await (const { rows, labels } of chunks()) {
    disagreements += torch.noGrad(() =>
      scope(() => disagreementsOf(rowsOf(rows, labels, features), means, classifier)),
    )
    samples += labels.length
  }
  if (samples !== scatter.samples) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected the same rows at both passes but there were ${scatter.samples}, then ${samples}: chunks is called twice and must give the same rows each time`,
    )
  }
  return { samples, classes, ...figures, disagreement: disagreements / samples }
}

function measure(scatter: ClassScatter, means: Tensor, classifier: Classifier) {
  const { weight } = inFloat64(classifier)
  const centred = means.sub(means.mean([0]))
  expectFinite(centred, weight)
  return {
    ...variabilityOf(scatter.within(), centred),
    means: spreadOf(centred),
    weights: spreadOf(weight),
    duality: unit(weight).sub(unit(centred)).square().sum().item(),
  }
}

/**
 * tr(Σ_W Σ_B⁺) / K, by the singular values s_k and the right vectors q_k of the matrix whose rows are the centred
 * means: Σ_B = Σ_k s_k² q_k q_kᵀ / K, so that it is Σ_k q_kᵀ Σ_W q_k / s_k².
 */
function variabilityOf(within: Tensor, centred: Tensor): { variability: number; betweenRank: number } {
  const [classes, features] = centred.shape as [number, number]
  const [, singular, right] = torch.linalg_svd(centred, false)
  const values = singular.toArray() as number[]
  const floor = Math.max(classes, features) * 2 ** -52 * values[0]!
  // If the means lie in fewer dimensions, such as three on a line, the rank is below K − 1.
  const betweenRank = values.slice(0, classes - 1).filter((value) => value > floor).length
  if (betweenRank === 0) {
    throw new SosError(
      'ERR_CLASSES',
      'expected class means that differ but all are equal: there is no collapse to measure',
    )
  }
  const directions = right.narrow(0, 0, betweenRank)
  const inside = directions.matmul(within).mul(directions).sum([1])
  const variability = inside
    .div(singular.narrow(0, 0, betweenRank).square())
    .sum()
    .item()
  return { variability, betweenRank }
}

/**
 * Distances are compared about μ_G: ‖h − μ_c‖² less what all classes share, without the cancellation of a large mean.
 */
function disagreementsOf(rows: Tensor, means: Tensor, classifier: Classifier): number {
  const { weight, bias } = inFloat64(classifier)
  const centre = means.mean([0])
  const centred = means.sub(centre)
  const half = centred.square().sum([1]).mul(0.5)
  const nearness = rows.sub(centre).matmul(centred.t()).sub(half)
  return nearness
    .argmax(1)
    .ne(torch.linear(rows, weight, bias).argmax(1))
    .sum()
    .item()
}

function spreadOf(vectors: Tensor): VectorSpread {
  const classes = vectors.shape[0]!
  const norms = vectors.square().sum([1]).sqrt()
  const mean = norms.mean().item()
  const deviation = norms.sub(mean).square().mean().sqrt().item()
  const directions = vectors.div(norms.unsqueeze(1))
  const off = directions
    .matmul(directions.t())
    .add(1 / (classes - 1))
    .abs()
  const pairs = off.sum().sub(off.trace())
  return { normVariation: deviation / mean, angleDeviation: pairs.item() / (classes * (classes - 1)) }
}

function unit(matrix: Tensor): Tensor {
  return matrix.div(matrix.square().sum().sqrt())
}

function inFloat64({ weight, bias }: Classifier): Classifier {
  const placement = { device: 'cpu', dtype: 'float64' } as const
  return { weight: weight.to(placement), bias: bias?.to(placement) ?? null }
}

function expectClassifier({ weight, bias }: Classifier): [classes: number, features: number] {
  expectTensor('the classifier’s weight', weight)
  if (bias !== null) expectTensor('the classifier’s bias', bias)
  const [classes, features] = weight.shape as [number, number]
  if (weight.ndim !== 2 || (bias !== null && String(bias.shape) !== String([classes]))) {
    throw new SosError(
      'ERR_SHAPE',
      `expected a weight [classes, features] with a bias [classes] or null but received [${weight.shape.join(', ')}] and ${bias === null ? 'null' : `[${bias.shape.join(', ')}]`}`,
    )
  }
  if (classes >= 2) return [classes, features]
  throw new SosError('ERR_CLASSES', `expected a classifier of at least 2 classes but received ${classes}`)
}

function expectAllClasses({ counts, classes }: ClassScatter): void {
  const missing = counts.flatMap((count, i) => (count === 0 ? [i] : []))
  if (missing.length === 0) return
  const first = missing.slice(0, 5).join(', ')
  throw new SosError(
    'ERR_CLASSES',
    `expected samples of all ${classes} classes but there are none of ${missing.length} (${first}${missing.length > 5 ? ', …' : ''}): take more samples, or stratified ones`,
  )
}

function expectFinite(...tensors: Tensor[]): void {
  if (tensors.every((tensor) => tensor.isfinite().all().item() === 1)) return
  throw new SosError('ERR_NOT_FINITE', 'expected finite features and weights but they hold NaN or infinity')
}
