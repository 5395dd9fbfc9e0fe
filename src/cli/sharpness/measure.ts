import { SosError } from '../../base/index.js'
import type { ModelSharpness, SharpnessRecord, TraceResult } from '../../report/index.js'
import type { TraceEstimate } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import { withProgress } from '../shared/progress.js'
import { type HeardOperator, makeOperator } from './operators.js'
import type { Measure, SharpnessOptions, Subject } from './requests.js'

const defaultTop = 10

/** So many eigenvalues are computed by themselves for the density: about one for each class stands out of the rest. */
const densityOutliers = 10

/** The sharpness of one model. */
export interface Measured {
  readonly record: ModelSharpness
  /** What the record of the command says about the whole. */
  readonly subject: Omit<SharpnessRecord, keyof ModelSharpness | 'compare' | 'difference'>
  /** The trace with the value of each probe, for a paired difference. */
  readonly trace: TraceEstimate | undefined
}

/** Measures what the options ask for, with a progress line for each measure. */
export async function measureModel(subject: Subject, options: SharpnessOptions): Promise<Measured> {
  const { sampleIndices } = await library()
  const { path, dataset } = subject
  const { seed, parameters, operator: matrix } = options
  const { samples = Math.min(512, dataset.size) } = options
  const indices = sampleIndices(dataset, { size: samples, sampling: 'uniform', seed })
  using operator = await makeOperator(subject, indices, options)
  const isAsked = (measure: Measure) => options.measure.includes(measure)

  const trace = isAsked('trace') ? await traceOf(path, operator, options) : undefined
  const spectrum = isAsked('eigenvalues') ? await eigenvaluesOf(path, operator, options) : {}
  const density = isAsked('density') ? await densityOf(path, operator, options) : {}
  return {
    record: {
      model: path,
      ...(trace && { trace: traceResult(trace, samples) }),
      ...spectrum,
      ...density,
      withoutGradient: [...operator.withoutGradient()],
    },
    subject: {
      ...{ dataset: dataset.name, operator: matrix, samples, seed, size: operator.size },
      ...(parameters !== undefined && { parameters }),
    },
    trace,
  }
}

async function traceOf(
  path: string,
  operator: HeardOperator,
  { probes = 32, seed }: SharpnessOptions,
): Promise<TraceEstimate> {
  const { hutchinsonTrace } = await library()
  const found = await withProgress(`trace ${path}`, (onProgress) =>
    operator.hearing(onProgress, () => hutchinsonTrace(operator, { probes, seed })),
  )
  if (Number.isFinite(found.trace)) return found
  throw new SosError(
    'ERR_NOT_FINITE',
    `${path}: its logits are finite but the trace is ${found.trace}: a derivative is not finite, for example that of a square root or a norm at 0`,
  )
}

function traceResult({ trace, standardError, probes }: TraceEstimate, samples: number): TraceResult {
  return {
    value: trace,
    standardError: null,
    probeStandardError: standardError,
    samples,
    probes,
    method: 'Hutchinson',
  }
}

async function eigenvaluesOf(path: string, operator: HeardOperator, options: SharpnessOptions) {
  const { topEigenvalues } = await library()
  const { top: count = defaultTop, tolerance, maxProducts, seed } = options
  const found = await withProgress(
    `eigenvalues ${path}`,
    (onProgress) =>
      topEigenvalues(operator, {
        count,
        seed,
        onProgress,
        ...(tolerance !== undefined && { tolerance }),
        ...(maxProducts !== undefined && { maxProducts }),
      }),
    { atMost: true },
  )
  const { eigenvalues, products, floor } = found
  return { eigenvalues: [...eigenvalues], products, floor }
}

async function densityOf(path: string, operator: HeardOperator, options: SharpnessOptions) {
  const { spectralDensity } = await library()
  const { densityProbes: probes = 4, densitySteps: steps = 80, seed } = options
  const outliers = Math.min(densityOutliers, operator.size - 1)
  const found = await withProgress(`density ${path}`, (onProgress) =>
    spectralDensity(operator, { probes, steps, outliers, seed, onProgress }),
  )
  const { nodes, weights, size, products } = found
  return {
    density: { nodes: [...nodes], weights: [...weights], outliers: [...found.outliers], size, products },
  }
}
