import type { PerSampleOptions, PerSampleTrace, SampledValue } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import { withProgress } from '../shared/progress.js'
import type { SharpnessOptions, Subject } from './requests.js'

/** A trace that was measured image by image. */
export type ImageTrace = SampledValue &
  Pick<PerSampleTrace, 'size' | 'samples' | 'probes' | 'oneByOne' | 'withoutGradient'>

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
  const { first: own, second: other, difference, by } = found
  return { traces: [own, { ...own, ...other }], difference, isOfHeads: by === 'heads' }
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
