import type { ModelSharpness, SharpnessRecord } from '../../report/index.js'
import type { AverageSharpness, WorstCaseSharpness } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import { type ImageTrace, imageTraceOf, type PairedTraces, pairedTracesOf } from './image-trace.js'
import {
  averageOf,
  averageResult,
  directionError,
  riseDifference,
  worstCaseOf,
  worstCaseResult,
} from './neighbourhood.js'
import { type HeardOperator, makeOperator } from './operators.js'
import type { Measure, SharpnessOptions, Subject } from './requests.js'
import { densityOf, eigenvaluesOf } from './spectrum.js'
import { type Trace, traceDifference, traceResult, vectorTraceOf } from './trace.js'
import { defaultSamples, type TracePlan, tracePlanOf } from './trace-plan.js'

/** The sharpness of one model, with the values of single images and random vectors, for paired differences. */
interface Measured {
  readonly record: ModelSharpness
  readonly size: number
  readonly trace: Trace | undefined
  readonly worstCase: WorstCaseSharpness | undefined
  readonly average: AverageSharpness | undefined
}

/** Measures what the options ask for, of one model or of two on the same images, with a progress line for each measure. */
export async function measureSharpness(
  first: Subject,
  second: Subject | undefined,
  options: SharpnessOptions,
): Promise<SharpnessRecord> {
  const { operator, parameters, seed, measure, resume } = options
  const { dataset } = first
  const isTraced = measure.includes('trace')
  const plans: TracePlan[] = []
  for (const subject of second === undefined ? [first] : [first, second]) {
    if (isTraced) plans.push(await tracePlanOf(subject, options))
  }
  const samples = options.samples ?? Math.min(defaultSamples(options, plans), dataset.size)
  const paired =
    second !== undefined && isTraced && !plans.includes('vectors')
      ? await pairedTracesOf(first, second, samples, options)
      : undefined
  const own = await measureModel(first, options, {
    samples,
    plan: plans[0],
    paired: paired?.traces[0],
    resume,
  })
  const other =
    second &&
    (await measureModel(second, options, {
      ...{ samples, plan: plans[1], paired: paired?.traces[1] },
      resume: resume && `${resume}.compare`,
    }))
  const difference = other && differenceOf(own, other, paired, options)
  return {
    ...own.record,
    ...{ dataset: dataset.name, operator, size: own.size, samples, seed },
    ...(parameters !== undefined && { parameters }),
    ...(other && { compare: other.record }),
    ...(difference && Object.keys(difference).length > 0 && { difference }),
  }
}

/** How one of the models is measured. */
interface Given {
  readonly samples: number
  readonly plan: TracePlan | undefined
  /** The part of the trace that is measured image by image, if it was measured together with another model. */
  readonly paired: ImageTrace | undefined
  readonly resume: string | undefined
}

async function measureModel(
  subject: Subject,
  options: SharpnessOptions,
  { samples, plan, paired, resume }: Given,
): Promise<Measured> {
  const { sampleIndices } = await library()
  const { path, dataset } = subject
  const isAsked = (measure: Measure) => options.measure.includes(measure)
  const isByProducts = isAsked('eigenvalues') || isAsked('density') || plan === 'vectors'
  // A trace image by image draws its own images, which may be more than there are.
  const indices =
    isByProducts || plan === 'images and vectors'
      ? sampleIndices(dataset, { size: samples, sampling: 'uniform', seed: options.seed })
      : []
  using operator = isByProducts ? await makeOperator(subject, indices, options) : null

  const trace = plan && (await traceOf(subject, plan, { samples, indices, operator, known: paired }, options))
  const spectrum =
    operator && isAsked('eigenvalues') ? await eigenvaluesOf(path, operator, options, resume) : {}
  const density = operator && isAsked('density') ? await densityOf(path, operator, options) : {}
  const worstCase = isAsked('worst-case') ? await worstCaseOf(subject, samples, options) : undefined
  const average = isAsked('average') ? await averageOf(subject, samples, options) : undefined
  return {
    record: {
      model: path,
      ...(trace && { trace: traceResult(trace, options, samples) }),
      ...spectrum,
      ...density,
      ...(worstCase && { worstCase: worstCaseResult(worstCase) }),
      ...(average && { average: averageResult(average) }),
      withoutGradient: [...(operator?.withoutGradient() ?? trace?.images?.withoutGradient ?? [])],
    },
    size: (operator ?? trace?.images ?? worstCase ?? average)!.size,
    ...{ trace, worstCase, average },
  }
}

interface TraceGiven {
  readonly samples: number
  readonly indices: readonly number[]
  readonly operator: HeardOperator | null
  /** The part that is measured image by image, if it was measured together with another model. */
  readonly known: ImageTrace | undefined
}

async function traceOf(
  subject: Subject,
  plan: TracePlan,
  { samples, indices, operator, known }: TraceGiven,
  options: SharpnessOptions,
): Promise<Trace> {
  const { probes } = options
  if (plan === 'vectors') {
    const vectors = await vectorTraceOf(
      subject.path,
      operator!,
      probes === 'exact' ? undefined : probes,
      options,
    )
    return { images: undefined, vectors }
  }
  const images = known ?? (await imageTraceOf(subject, samples, options))
  if (plan === 'images') return { images, vectors: undefined }
  using rest = await makeOperator(subject, indices, options, 'rest')
  return { images, vectors: await vectorTraceOf(subject.path, rest, undefined, options) }
}

/** The paired differences, the second less the first. */
function differenceOf(
  first: Measured,
  second: Measured,
  paired: PairedTraces | undefined,
  options: SharpnessOptions,
): NonNullable<SharpnessRecord['difference']> {
  const trace = first.trace && second.trace && traceDifference(first.trace, second.trace, paired, options)
  const worst = [first.worstCase, second.worstCase]
  const average = [first.average, second.average]
  return {
    ...(trace && { trace }),
    ...(worst[0] && worst[1] && { worstCase: riseDifference(worst[0].perImage, worst[1].perImage) }),
    ...(average[0] &&
      average[1] && {
        average: {
          ...riseDifference(average[0].perImage, average[1].perImage),
          probeStandardError: directionError(average[0], average[1]),
        },
      }),
  }
}
