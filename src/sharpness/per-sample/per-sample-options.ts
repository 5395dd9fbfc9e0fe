import {
  batchCount,
  checkNumbers,
  count,
  expectObject,
  refuseArgument,
  someCount,
  wholeSeed,
} from '../../base/index.js'
import type { Dataset, RunOptions } from '../../data/index.js'
import type { OutputKind, OutputOptions } from '../../model/index.js'

/** How images are drawn: `uniform` without replacement, or `confidence`, mostly in proportion to 1 − ‖p‖², with replacement. */
export type ImageSampling = 'uniform' | 'confidence'

/** How a trace is measured image by image. */
export interface PerSampleOptions extends RunOptions, OutputOptions {
  /** The number of draws. Default: 4096, or all images if there are fewer. */
  samples?: number
  /**
   * `uniform` draws without replacement. `confidence` takes nine of ten draws in proportion to 1 − ‖p‖², with replacement, after one forward
   * of the whole dataset; the others are uniform. A trained network is sure of most images, which then add nothing. It needs two probes or
   * more, or `exact`. Default: `uniform`.
   */
  sampling?: ImageSampling
  /**
   * The number of random combinations for each image, or `exact`, which takes a backward for each class but one and is for at most 128
   * classes. Default: 2, with which the error of the probes is known.
   */
  probes?: number | 'exact'
  /**
   * The parameters that count: a name or a pattern, in which `*` and `?` match within a part of a name and `**` also matches dots, for
   * example `layer4.**`. Default: all that require gradients.
   */
  parameters?: string
  /** The seed of the images and of the probes. Default: 0. */
  seed?: number
  /** How many images one forward takes. Default: 32. */
  chunk?: number
  /** What the model returns: `logits` or `probabilities`. Default: `logits`. */
  outputs?: OutputKind
}

/** The largest number of classes for which `exact` is allowed. */
export const mostExactClasses = 128

/** The options with the number of images. */
export function withSamples(
  dataset: Dataset,
  options: PerSampleOptions,
): PerSampleOptions & { samples: number } {
  return { ...options, samples: options.samples ?? Math.min(4096, dataset.size) }
}

/** Throws `ERR_INVALID_ARGUMENT` if so many classes would take too many backwards. */
export function expectFewClasses(classes: number): void {
  if (classes <= mostExactClasses) return
  refuseArgument(
    `a number of probes for a model of ${classes} classes, since exact values of more than ${mostExactClasses} take too long,`,
    'probes',
    'exact',
  )
}

const samplings: readonly ImageSampling[] = ['uniform', 'confidence']

/** Throws `ERR_INVALID_ARGUMENT` or `ERR_BATCH_SIZE` for invalid options. */
export function checkPerSample(options: PerSampleOptions): void {
  expectObject('options', options)
  checkNumbers(options, { samples: batchCount, seed: wholeSeed, chunk: count })
  const { probes = 2, sampling = 'uniform' } = options
  if (probes !== 'exact') someCount("probes, other than 'exact',", probes)
  if (!samplings.includes(sampling)) refuseArgument(`one of ${samplings.join(', ')}`, 'sampling', sampling)
  if (probes === 1 && sampling === 'confidence')
    refuseArgument(
      '2 or more for draws by confidence, since draws of one image share its probes,',
      'probes',
      1,
    )
}
