import type { ModelSharpness, SharpnessRecord } from '../../report/index.js'
import type { AverageSharpness, TraceEstimate, WorstCaseSharpness } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import {
  averageOf,
  averageResult,
  directionError,
  riseDifference,
  worstCaseOf,
  worstCaseResult,
} from './neighbourhood.js'
import { makeOperator } from './operators.js'
import { type Measure, matrixMeasures, type SharpnessOptions, type Subject } from './requests.js'
import { densityOf, eigenvaluesOf } from './spectrum.js'
import { traceDifference, traceOf, traceResult } from './trace.js'

/** The sharpness of one model. */
export interface Measured {
  readonly record: ModelSharpness
  /** What the record of the command says about the whole. */
  readonly subject: Omit<SharpnessRecord, keyof ModelSharpness | 'compare' | 'difference'>
  // The values of single images and random vectors, for paired differences.
  readonly trace: TraceEstimate | undefined
  readonly worstCase: WorstCaseSharpness | undefined
  readonly average: AverageSharpness | undefined
}

/** Measures what the options ask for, with a progress line for each measure. */
export async function measureModel(subject: Subject, options: SharpnessOptions): Promise<Measured> {
  const { sampleIndices } = await library()
  const { path, dataset } = subject
  const { seed, parameters } = options
  const { samples = Math.min(512, dataset.size) } = options
  const indices = sampleIndices(dataset, { size: samples, sampling: 'uniform', seed })
  const isAsked = (measure: Measure) => options.measure.includes(measure)
  using operator = matrixMeasures.some(isAsked) ? await makeOperator(subject, indices, options) : null

  const trace = operator && isAsked('trace') ? await traceOf(path, operator, options) : undefined
  const spectrum = operator && isAsked('eigenvalues') ? await eigenvaluesOf(path, operator, options) : {}
  const density = operator && isAsked('density') ? await densityOf(path, operator, options) : {}
  const worstCase = isAsked('worst-case') ? await worstCaseOf(subject, samples, options) : undefined
  const average = isAsked('average') ? await averageOf(subject, samples, options) : undefined
  return {
    record: {
      model: path,
      ...(trace && { trace: traceResult(trace, samples) }),
      ...spectrum,
      ...density,
      ...(worstCase && { worstCase: worstCaseResult(worstCase) }),
      ...(average && { average: averageResult(average) }),
      withoutGradient: [...(operator?.withoutGradient() ?? [])],
    },
    subject: {
      ...{ dataset: dataset.name, operator: options.operator, samples, seed },
      size: (operator ?? worstCase ?? average)!.size,
      ...(parameters !== undefined && { parameters }),
    },
    ...{ trace, worstCase, average },
  }
}

/** The paired differences of two models, the second less the first; undefined if nothing is paired. */
export function differenceOf(first: Measured, second: Measured): SharpnessRecord['difference'] {
  const worst = [first.worstCase, second.worstCase]
  const average = [first.average, second.average]
  const differences = {
    ...(first.trace && second.trace && { trace: traceDifference(first.trace, second.trace) }),
    ...(worst[0] && worst[1] && { worstCase: riseDifference(worst[0].perImage, worst[1].perImage) }),
    ...(average[0] &&
      average[1] && {
        average: {
          ...riseDifference(average[0].perImage, average[1].perImage),
          probeStandardError: directionError(average[0], average[1]),
        },
      }),
  }
  return Object.keys(differences).length === 0 ? undefined : differences
}
