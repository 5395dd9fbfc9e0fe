import {
  batchCount,
  checkNumbers,
  count,
  expectList,
  expectObject,
  meanWithError,
  type NumberChecks,
  SosError,
  wholeSeed,
} from '../base/index.js'
import { type Dataset, sampleIndices } from '../data/index.js'
import { expectDataset } from '../data/internal.js'
import { whyNotFinite } from '../model/internal.js'
import { type ScriptModule, scope, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { type HessianOptions, hessian } from './hessian.js'
import { hutchinsonTrace, probeCount, type TraceEstimate } from './hutchinson-trace.js'

export interface TraceOptions extends HessianOptions {
  /** Samples that the loss is the mean of, drawn uniformly by the seed. Default: 512, or all. */
  samples?: number
  /** Rademacher probes. Default: 32. */
  probes?: number
  /** Of the samples and the probes alike. Default: 0. */
  seed?: number
}

/** The checks of the numbers in {@link TraceOptions}. */
export const traceNumbers: NumberChecks<TraceOptions> = {
  samples: batchCount,
  probes: probeCount,
  seed: wholeSeed,
  chunk: count,
}

export interface HessianTrace extends TraceEstimate {
  readonly samples: number
  readonly indices: readonly number[]
  /**
   * Parameters that are left out, whatever they add to the trace: they require no gradient, or none reaches them, as through a detach.
   */
  readonly withoutGradient: readonly string[]
}

/** Two models on the same probes and samples. */
export interface TraceComparison {
  readonly first: HessianTrace
  readonly second: HessianTrace
  /** tr(H) of the second less that of the first. */
  readonly difference: number
  /** Of the mean paired difference: much smaller than either trace's own, since both share their probes. */
  readonly differenceStandardError: number
}

/**
 * The trace of the Hessian of a model's mean cross-entropy over a fixed sample, in eval mode, with respect to all its
 * parameters. The standard error tells how well the probes know the trace of this sample's loss, not how the sample
 * stands for the dataset.
 *
 * @throws `ERR_BATCH_SIZE`, `ERR_FROZEN`, `ERR_NO_GRADIENT` where no gradient reaches any parameter, `ERR_LABELS`, `ERR_OUTPUT_SHAPE`,
 *   `ERR_NOT_FINITE` where logits or the trace are NaN or infinite
 */
export async function hessianTrace(
  model: ScriptModule,
  dataset: Dataset,
  options: TraceOptions = {},
): Promise<HessianTrace> {
  expectModule('model', model)
  expectDataset('dataset', dataset)
  checkNumbers(options, traceNumbers)
  const { samples = Math.min(512, dataset.size), probes = 32, seed = 0 } = options
  const indices = sampleIndices(dataset, { size: samples, sampling: 'uniform', seed })
  using held = model.view({ eval: true }) // all probes are of one model
  return await torch.noGrad(() =>
    scope(async () => {
      const operator = hessian(held, dataset, indices, options)
      const estimate = await hutchinsonTrace(operator, { probes, seed })
      expectTrace(held, estimate.trace)
      return { ...estimate, samples, indices, withoutGradient: operator.withoutGradient() }
    }),
  )
}

/** Throws `ERR_NOT_FINITE` where a trace of finite logits is no number. */
export function expectTrace(model: ScriptModule, trace: number): void {
  if (Number.isFinite(trace)) return
  throw new SosError(
    'ERR_NOT_FINITE',
    `${model.path}: its logits are finite but the trace is ${trace}: a derivative is not, as that of a square root or a norm at 0; ${whyNotFinite(model)}`,
  )
}

/** {@link hessianTrace} of two models on the same probes and samples, with the paired difference. */
export async function compareTraces(
  first: ScriptModule,
  second: ScriptModule,
  dataset: Dataset,
  options: TraceOptions = {},
): Promise<TraceComparison> {
  expectModule('second', second)
  expectModule('first', first)
  using after = second.view({ eval: true }) // held while the first is measured, too
  const trace = await hessianTrace(first, dataset, options)
  return compareWith(trace, await hessianTrace(after, dataset, options))
}

/** The paired difference of two traces that were measured with the same options on models of the same parameters. */
export function compareWith(first: HessianTrace, second: HessianTrace): TraceComparison {
  for (const trace of [first, second]) {
    expectObject('a trace', trace)
    expectList('its probes', trace.perProbe)
  }
  if (first.probes !== second.probes || first.samples !== second.samples || first.size !== second.size) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      'expected two models with the same number of parameters, measured on the same probes and samples',
    )
  }
  const { mean, standardError } = meanWithError(second.perProbe.map((value, i) => value - first.perProbe[i]!))
  return { first, second, difference: mean, differenceStandardError: standardError }
}
