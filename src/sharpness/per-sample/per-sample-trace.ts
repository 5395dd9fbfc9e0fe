import type { Dataset } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { asLogits, expectKind, whyCurved } from '../../model/internal.js'
import { type ScriptModule, type Tensor, torch } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { inFullPrecision } from '../full-precision.js'
import { probabilitiesOf, spreadOf } from '../last-layer.js'
import { chosenParameters } from '../operators/chosen-parameters.js'
import { expectTrace } from '../traces/hessian-trace.js'
import { type DrawnImages, drawImages, type Scorer } from './draw-images.js'
import type { ImageSample } from './image-sample.js'
import { measureImages } from './measure-images.js'
import { checkPerSample, expectFewClasses, type PerSampleOptions, withSamples } from './per-sample-options.js'
import type { SampledMean, SampledValue } from './sampled-mean.js'
import { traceTerms } from './trace-terms.js'

/** The trace of a model's curvature, measured image by image. */
export interface PerSampleTrace extends SampledValue, ImageSample {}

/**
 * Measures the trace of the generalised Gauss-Newton matrix of a model's mean cross-entropy, image by image, in eval mode, with respect
 * to the parameters that count. If the model is piecewise linear (`isPiecewiseLinear`), this is the trace of the Hessian. For image i it is
 *
 *     t_i = Σ_k ‖J_iᵀm_ik‖²,   diag p_i − p_ip_iᵀ = Σ_k m_ik m_ikᵀ,
 *
 * with J_i the Jacobian of its logits, and the trace is the mean of t_i. `exact` takes each of the K − 1 terms. Otherwise ‖J_iᵀΣ_k ε_k
 * m_ik‖² with random signs ε has the mean t_i.
 *
 * One backward to the layers' outputs gives the norms of all images of a chunk, without a gradient of a weight: ‖g‖²(‖a‖² + 1) for a linear
 * layer, the same with sums over the positions for a convolution, and likewise for BatchNorm and LayerNorm. If a parameter belongs to
 * another kind of layer, the images are taken one at a time, with ordinary gradients for this parameter. The rules are compared with
 * ordinary gradients on two images.
 *
 * Since the value of each image is known, so is the error of taking these images and not others. It is mostly much larger than that of
 * the probes: take many images with few probes.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset that the images are drawn from
 * @param options how many images and probes, and how to run
 * @returns the trace with both errors, the value of each image, and the part of each layer
 * @throws `ERR_BATCH_SIZE`; `ERR_FROZEN`; `ERR_NO_SUCH_PARAMETER`; `ERR_NO_GRADIENT` if no gradient reaches any parameter; `ERR_PROBABILITIES` if `outputs` is wrong;
 *   `ERR_OUTPUT_SHAPE`; `ERR_NOT_FINITE`; `ERR_LABELS` if the dataset's classes are not the model's; `ERR_DATASET` if every image was
 *   skipped; `ERR_INVALID_ARGUMENT` for `exact` and too many classes
 * @example
 * const { value, standardError, probeStandardError } = await perSampleTrace(model, train, { samples: 16, probes: 'exact' })
 * console.log(value > 0, standardError > 0, probeStandardError) // → true true 0
 */
export async function perSampleTrace(
  model: ScriptModule,
  dataset: Dataset,
  options: PerSampleOptions = {},
): Promise<PerSampleTrace> {
  expectModule('model', model)
  expectDataset('dataset', dataset)
  checkPerSample(options)
  using held = await inFullPrecision(model)
  const drawn = await drawImages(dataset, withSamples(dataset, options), [confidenceScorer(held, options)])
  const { mean, trace } = await traceOn(held, dataset, drawn, options)
  mean[Symbol.dispose]()
  return trace
}

/** The trace on images that were drawn, and the values that it is the mean of. The caller disposes of these. */
export async function traceOn(
  held: ScriptModule,
  dataset: Dataset,
  drawn: DrawnImages,
  options: PerSampleOptions,
): Promise<{ mean: SampledMean; trace: PerSampleTrace }> {
  const { probes = 2, parameters } = options
  const counted = chosenParameters(held, parameters)
  const measured = await measureImages({
    model: held,
    dataset,
    drawn,
    counted,
    options,
    quantities: 1,
    terms: ({ output }, generator) => {
      const logits = torch.enableGrad(() => logitsOf(output, options))
      if (probes === 'exact') expectFewClasses(logits.shape[1]!)
      return { target: logits, terms: traceTerms(probabilitiesOf(logits), probes, generator) }
    },
  })
  const mean = measured.values[0]!
  const found = mean.result()
  expectTrace(held, found.value)
  const trace = {
    ...found,
    size: [...counted.values()].reduce((sum, parameter) => sum + parameter.numel(), 0),
    samples: drawn.counts.reduce((a, b) => a + b, 0),
    ...{ indices: measured.indices, weights: measured.weights, probes },
    curvedBy: whyCurved(held),
    ...{ oneByOne: measured.oneByOne, withoutGradient: measured.withoutGradient },
  }
  return { mean, trace }
}

/** Scores images by 1 − ‖p‖². */
export function confidenceScorer(model: ScriptModule, options: PerSampleOptions): Scorer {
  return {
    model,
    score: (output) => {
      if (options.probes === 'exact') expectFewClasses(output.shape[1]!)
      return spreadOf(probabilitiesOf(logitsOf(output, options)))
    },
  }
}

function logitsOf(output: Tensor, { outputs = 'logits' }: PerSampleOptions): Tensor {
  expectKind(output, outputs)
  return asLogits(output, outputs)
}
