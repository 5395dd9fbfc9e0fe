import { SosError } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { findOutputLayer, parameterName } from '../../model/internal.js'
import type { ScriptModule } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import type { Classifier } from '../collapse/neural-collapse.js'
import { inFullPrecision } from '../full-precision.js'
import { differInLastLayer, expectSameState } from '../landscape/same-state.js'
import { isReadElsewhere } from '../last-layer.js'
import { chosenParameters } from '../operators/chosen-parameters.js'
import { compareHeads } from './compare-heads.js'
import { drawImages } from './draw-images.js'
import { checkPerSample, type PerSampleOptions, withSamples } from './per-sample-options.js'
import { confidenceScorer, type PerSampleTrace, traceOn } from './per-sample-trace.js'
import type { SampledValue } from './sampled-mean.js'

/** The traces of two models on the same images. */
export interface PerSampleComparison {
  /** The trace of the first model. */
  readonly first: PerSampleTrace
  /** The trace of the second model. */
  readonly second: SampledValue
  /** The trace of the second model less that of the first, paired over the images. */
  readonly difference: SampledValue
  /**
   * `heads` if the models differ in the last layer alone, so that {@link compareHeads} measured the difference itself; `models` if both
   * traces were measured and subtracted image by image.
   */
  readonly by: 'heads' | 'models'
}

/**
 * Compares the traces of two models, as {@link perSampleTrace} measures them, on the same images. If the models differ in the last layer
 * alone, as before and after a shift, it is {@link compareHeads}, which is far more exact.
 *
 * @param first a classifier; it is not changed
 * @param second a classifier of the same architecture; it is not changed
 * @param dataset the dataset that the images are drawn from
 * @param options as for {@link perSampleTrace}. With `confidence` the score of an image is the sum of both models' scores
 * @returns both traces and the difference, each with both errors
 * @throws `ERR_STATE_DICT_MISMATCH` if the models have other parameters; `ERR_INVALID_ARGUMENT` if other ones require gradients; what {@link perSampleTrace} throws
 * @example
 * const shifted = await model.clone()
 * await shiftOptimum(shifted, train, { batchSize: 60 })
 * const { difference, by } = await comparePerSampleTraces(model, shifted, train, { samples: 16 })
 * console.log(by, difference.standardError > 0) // → heads true
 */
export async function comparePerSampleTraces(
  first: ScriptModule,
  second: ScriptModule,
  dataset: Dataset,
  options: PerSampleOptions = {},
): Promise<PerSampleComparison> {
  expectModule('first', first)
  expectModule('second', second)
  expectDataset('dataset', dataset)
  checkPerSample(options)
  expectSameState(first, second)
  using one = await inFullPrecision(first)
  using other = await inFullPrecision(second)
  expectSameCounted(one, other, options)
  const given = withSamples(dataset, options)
  const head = await headOf(one, other, dataset, options)
  if (head !== null) {
    const { own, others, differences, ...rest } = await compareHeads(
      one,
      head.path,
      [head.second],
      dataset,
      options,
    )
    return { first: { ...own, ...rest }, second: others[0]!, difference: differences[0]!, by: 'heads' }
  }
  const scorers = [one, other].map((model) => confidenceScorer(model, options))
  const drawn = await drawImages(dataset, given, scorers)
  const before = await traceOn(one, dataset, drawn, options)
  using values = before.mean
  const after = await traceOn(other, dataset, drawn, options)
  using others = after.mean
  using difference = others.minus(values)
  return { first: before.trace, second: others.result(), difference: difference.result(), by: 'models' }
}

/** Throws `ERR_INVALID_ARGUMENT` if other parameters count in one model than in the other: their matrices would not be comparable. */
function expectSameCounted(
  first: ScriptModule,
  second: ScriptModule,
  { parameters }: PerSampleOptions,
): void {
  const [own, others] = [first, second].map((model) => [...chosenParameters(model, parameters).keys()])
  const apart = [...own!, ...others!].find((name) => own!.includes(name) !== others!.includes(name))
  if (apart === undefined) return
  const [has, lacks] = own!.includes(apart) ? [first, second] : [second, first]
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected two models of which the same parameters require gradients, but '${apart}' does in ${has.path} and not in ${lacks.path}`,
  )
}

/** The last layer of the first model and its weights in the second, if the models differ in nothing else and more than it counts. */
async function headOf(
  first: ScriptModule,
  second: ScriptModule,
  dataset: Dataset,
  options: PerSampleOptions,
): Promise<{ path: string; second: Classifier } | null> {
  const last = findOutputLayer(first, options.output)
  if (typeof last === 'string' || !last.steps.every((step) => isSoftmax(step, options))) return null
  const { path } = last.layer
  const own = ['weight', 'bias'].map((name) => parameterName(path, name))
  if ([...chosenParameters(first, options.parameters).keys()].every((name) => own.includes(name))) return null
  if (isReadElsewhere(first, path)) return null
  const all = Array.from({ length: dataset.size }, (_, i) => i)
  const heads = await differInLastLayer(first, second, dataset, all, options)
  return heads === null ? null : { path, second: heads.second }
}

/** Whether logits whose softmax is the model's remain logits after a step. */
function isSoftmax(step: string, { outputs = 'logits' }: PerSampleOptions): boolean {
  return step === 'aten::log_softmax' || (outputs === 'probabilities' && step === 'aten::softmax')
}
