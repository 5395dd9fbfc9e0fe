import { meanWithError, SosError } from '../../base/index.js'
import type { TraceDifference, TraceResult } from '../../report/index.js'
import type { SampledValue, TraceEstimate } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import { withProgress } from '../shared/progress.js'
import type { ImageTrace, PairedTraces } from './image-trace.js'
import type { HeardOperator } from './operators.js'
import type { SharpnessOptions } from './requests.js'

/** A trace: a part that was measured image by image, a part that was estimated by random vectors, or both. */
export interface Trace {
  readonly images: ImageTrace | undefined
  readonly vectors: TraceEstimate | undefined
}

/** The number of random vectors if the user names none. */
const defaultVectors = 32

/** The trace of an operator by random vectors. */
export async function vectorTraceOf(
  path: string,
  operator: HeardOperator,
  probes: number | undefined,
  { seed }: SharpnessOptions,
): Promise<TraceEstimate> {
  const { hutchinsonTrace } = await library()
  const found = await withProgress(`trace ${path}`, (onProgress) =>
    operator.hearing(onProgress, () => hutchinsonTrace(operator, { probes: probes ?? defaultVectors, seed })),
  )
  if (Number.isFinite(found.trace)) return found
  throw new SosError(
    'ERR_NOT_FINITE',
    `${path}: its logits are finite but the trace is ${found.trace}: a derivative is not finite, for example that of a square root or a norm at 0`,
  )
}

/** A trace as the record has it. */
export function traceResult(
  { images, vectors }: Trace,
  options: SharpnessOptions,
  samples: number,
): TraceResult {
  const { sampling = 'uniform', byLayer } = options
  const { probes, method } = howMeasured({ images, vectors })
  return {
    ...sumOf(images, vectors),
    ...{ samples: images?.samples ?? samples, sampling, probes, method },
    ...(images && sampling === 'confidence' && { effectiveSamples: images.effectiveSamples }),
    ...(images?.oneByOne && { oneByOne: images.oneByOne }),
    ...(images && byLayer && { byLayer: layersOf(images) }),
  }
}

function howMeasured({ images, vectors }: Trace): Pick<TraceResult, 'probes' | 'method'> {
  if (images === undefined) return { probes: vectors!.probes, method: 'Hutchinson' }
  const { probes } = images
  const method = 'image by image'
  return { probes, method: vectors === undefined ? method : `${method}, and the rest by Hutchinson` }
}

/** The difference of two traces, the second less the first, paired; undefined if they were measured in different ways. */
export function traceDifference(
  first: Trace,
  second: Trace,
  paired: PairedTraces | undefined,
  { byLayer }: SharpnessOptions,
): TraceDifference | undefined {
  if (!first.vectors !== !second.vectors || !first.images !== !second.images) return undefined
  const images = first.images && paired?.difference
  const vectors = first.vectors && second.vectors && pairedByVector(first.vectors, second.vectors)
  return {
    ...sumOf(images, vectors),
    method: images
      ? `paired over the images${paired?.isOfHeads ? ', of the last layers' : ''}`
      : 'paired over the probes',
    ...(images && byLayer && { byLayer: layersOf(images) }),
  }
}

function pairedByVector(first: TraceEstimate, second: TraceEstimate): TraceEstimate {
  const perProbe = second.perProbe.map((value, i) => value - first.perProbe[i]!)
  const { mean, standardError } = meanWithError(perProbe)
  return { ...first, trace: mean, standardError, perProbe }
}

/** The value and the errors of both parts together. The error over the images of what random vectors estimate is not known. */
function sumOf(images: SampledValue | undefined, vectors: TraceEstimate | undefined) {
  const ofImages = images && {
    value: images.value,
    standardError: errorOf(images.standardError),
    probeStandardError: images.probeStandardError,
  }
  if (vectors === undefined) return ofImages!
  const rest = { value: vectors.trace, probeStandardError: vectors.standardError, probes: vectors.probes }
  if (ofImages === undefined) {
    return { value: rest.value, standardError: null, probeStandardError: rest.probeStandardError }
  }
  const { value, probeStandardError } = ofImages
  return {
    value: value + rest.value,
    standardError: null,
    probeStandardError:
      probeStandardError === null ? null : Math.hypot(probeStandardError, rest.probeStandardError),
    parts: { gaussNewton: ofImages, rest },
  }
}

function layersOf({ byLayer }: SampledValue) {
  return byLayer.map(({ path, value, standardError }) => ({
    path,
    value,
    standardError: errorOf(standardError),
  }))
}

/** One image has no standard error. */
const errorOf = (error: number): number | null => (Number.isFinite(error) ? error : null)
