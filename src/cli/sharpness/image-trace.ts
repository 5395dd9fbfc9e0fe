import { meanWithError } from '../../base/index.js'
import type { PerSampleOptions, PerSampleTrace, SampledValue } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import { withProgress } from '../shared/progress.js'
import type { SharpnessOptions, Subject } from './requests.js'

/** A trace that was measured image by image. */
export type ImageTrace = SampledValue &
  Pick<PerSampleTrace, 'size' | 'indices' | 'probes' | 'oneByOne' | 'withoutGradient'>

/** The traces of two models on the same images, and their difference. */
export interface PairedTraces {
  readonly traces: readonly [first: ImageTrace, second: ImageTrace]
  readonly difference: SampledValue
  /** Whether the models differ in their last layer only, so that the difference itself was measured. */
  readonly isOfHeads: boolean
}

/** The trace of the Gauss-Newton matrix image by image. */
export async function imageTraceOf(
  { path, model, dataset }: Subject,
  samples: number,
  options: SharpnessOptions,
): Promise<ImageTrace> {
  const { perSampleTrace } = await library()
  return await withProgress(`trace ${path}`, (onProgress) =>
    perSampleTrace(model, dataset, { ...settingsOf(options, samples), onProgress }),
  )
}

/** The same for two models at once. */
export async function pairedTracesOf(
  first: Subject,
  second: Subject,
  samples: number,
  options: SharpnessOptions,
): Promise<PairedTraces> {
  const { comparePerSampleTraces } = await library()
  const found = await withProgress(`trace ${first.path} and ${second.path}`, (onProgress) =>
    comparePerSampleTraces(first.model, second.model, first.dataset, {
      ...settingsOf(options, samples),
      onProgress,
    }),
  )
  const { first: own, difference, by } = found
  return { traces: [own, { ...own, ...sumOf(own, difference) }], difference, isOfHeads: by === 'heads' }
}

function settingsOf(options: SharpnessOptions, samples: number): PerSampleOptions {
  const { device, outputs, output, chunk, seed, probes, sampling, parameters } = options
  return {
    ...{ device, outputs, seed, samples },
    ...(output !== undefined && { output }),
    ...(chunk !== undefined && { chunk }),
    ...(probes !== undefined && { probes }),
    ...(sampling !== undefined && { sampling }),
    ...(parameters !== undefined && { parameters }),
  }
}

/** The trace of the second model: that of the first and the difference, image by image. */
function sumOf(own: PerSampleTrace, difference: SampledValue): SampledValue {
  const { weights } = own
  const perSample = own.perSample.map((value, i) => value + difference.perSample[i]!)
  const { mean, standardError } = meanWithError(perSample.map((value, i) => value * weights[i]!))
  const ofOne = perSample.reduce((sum, value, i) => sum + weights[i]! * (value - mean) ** 2, 0)
  const n = perSample.length
  const isUniform = weights.every((weight) => weight === 1)
  const [noise, change] = [own.probeStandardError, difference.probeStandardError]
  return {
    ...{ value: mean, standardError, perSample },
    // The probes are independent of each other.
    probeStandardError: noise === null || change === null ? null : Math.hypot(noise, change),
    effectiveSamples: isUniform || standardError === 0 ? n : ofOne / n / standardError ** 2,
    byLayer: own.byLayer.map(({ path, value, standardError: error }) => {
      const more = difference.byLayer.find((layer) => layer.path === path)
      // The values of a layer in single images are not known; the error of a sum is at most the sum of the errors.
      return { path, value: value + (more?.value ?? 0), standardError: error + (more?.standardError ?? 0) }
    }),
  }
}
