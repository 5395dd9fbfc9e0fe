import {
  batchCount,
  checkNumbers,
  count,
  expectList,
  expectObject,
  meanWithError,
  type NumberChecks,
  nonNegative,
  SosError,
  wholeSeed,
} from '../../base/index.js'
import { type Dataset, sampleIndices } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { whyNotFinite } from '../../model/internal.js'
import { type ScriptModule, scope, torch } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { hessian } from '../operators/hessian.js'
import type { OperatorOptions } from '../operators/model-operator.js'
import { hutchinsonTrace, probeCount, type TraceEstimate } from './hutchinson-trace.js'

/** How a trace is estimated. */
export interface TraceOptions extends OperatorOptions {
  /**
   * The number of samples whose mean loss is measured, drawn uniformly by the seed. Default: 512, or all if there are
   * fewer.
   */
  samples?: number
  /** The number of random probes, at least 2. Default: 32. */
  probes?: number
  /** The seed of both the samples and the probes. Default: 0. */
  seed?: number
  /**
   * How many bytes of memory graphs of gradients may take between two blocks of probes, as for `hessian`. Default: 0, since a block has 256 MB of
   * probes, for which each chunk's graph is made once.
   */
  graphBytes?: number
}

/** The checks of the numbers in {@link TraceOptions}. */
export const traceNumbers: NumberChecks<TraceOptions> = {
  samples: batchCount,
  probes: probeCount,
  seed: wholeSeed,
  chunk: count,
  graphBytes: nonNegative,
}

/** The trace of a model's Hessian, estimated. */
export interface HessianTrace extends TraceEstimate {
  /** The number of samples that were asked for. */
  readonly samples: number
  /** The indices of the samples in the dataset. */
  readonly indices: readonly number[]
  /**
   * The names of the parameters that are left out, whatever they would add to the trace: they require no gradient, or
   * none reaches them, for example because of a detach.
   */
  readonly withoutGradient: readonly string[]
}

/** The traces of two models on the same probes and samples. */
export interface TraceComparison {
  /** The trace of the first model. */
  readonly first: HessianTrace
  /** The trace of the second model. */
  readonly second: HessianTrace
  /** tr(H) of the second model less that of the first. */
  readonly difference: number
  /**
   * The standard error of the difference, from the paired probes. It is much smaller than that of either trace, since
   * both models share the probes.
   */
  readonly differenceStandardError: number
}

/**
 * Estimates the trace of the Hessian of a model's mean cross-entropy over a fixed sample, in eval mode, with respect to
 * all its parameters, by Hutchinson's probes and second derivatives. The standard error says how well the probes know
 * the trace for this sample. It does not say how well the sample represents the dataset.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset that the samples are drawn from
 * @param options how many samples and probes, and how to run
 * @returns the estimate, its standard error, and the value of each probe
 * @throws `ERR_BATCH_SIZE`; `ERR_FROZEN`; `ERR_NO_GRADIENT` if no gradient reaches any parameter; `ERR_PROBABILITIES`
 *   if `outputs` is wrong; `ERR_LABELS`; `ERR_OUTPUT_SHAPE`; `ERR_NOT_FINITE` if logits or the trace are NaN or
 *   infinite; `ERR_DATASET` if every image was skipped
 * @example
 * const { trace, standardError, size } = await hessianTrace(model, train, { samples: 8, probes: 2 })
 * console.log(Number.isFinite(trace), standardError >= 0, size > 0) // → true true true
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
  using held = model.view({ eval: true }) // so that all probes measure the same weights
  return await torch.noGrad(() =>
    scope(async () => {
      using operator = hessian(held, dataset, indices, { graphBytes: 0, ...options })
      const estimate = await hutchinsonTrace(operator, { probes, seed })
      expectTrace(held, estimate.trace)
      return { ...estimate, samples, indices, withoutGradient: operator.withoutGradient() }
    }),
  )
}

/** Throws `ERR_NOT_FINITE` if the trace is not a number although the logits are finite. */
export function expectTrace(model: ScriptModule, trace: number): void {
  if (Number.isFinite(trace)) return
  throw new SosError(
    'ERR_NOT_FINITE',
    `${model.path}: its logits are finite but the trace is ${trace}: a derivative is not finite, for example that of a square root or a norm at 0; ${whyNotFinite(model)}`,
  )
}

/**
 * Estimates the traces of the Hessians of two models on the same probes and samples, as {@link hessianTrace} does, and
 * their paired difference. Use it to compare a model before and after a shift.
 *
 * @param first a model
 * @param second a model with the same parameters, for example the first after a shift
 * @param dataset the dataset that the samples are drawn from
 * @param options how many samples and probes, and how to run
 * @returns both traces, their difference and its standard error
 * @throws what {@link hessianTrace} throws
 * @example
 * const shifted = await model.clone()
 * await shiftOptimum(shifted, train, { batchSize: 60 })
 * const { difference, differenceStandardError } = await compareTraces(model, shifted, train, { samples: 4, probes: 2 })
 * console.log(Number.isFinite(difference), differenceStandardError >= 0) // → true true
 */
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

/**
 * Computes the paired difference of two traces that were measured with the same options on models with the same
 * parameters. Use it with `gaussNewtonTrace`, or to compare several models with one.
 *
 * @param first the trace of one model
 * @param second the trace of another
 * @returns both traces, their difference and its standard error
 * @throws `ERR_INVALID_ARGUMENT` if their probes, samples or numbers of parameters differ
 * @example
 * const trace = await gaussNewtonTrace(model, train, { samples: 8, probes: 2 })
 * console.log(compareWith(trace, trace).difference) // → 0
 */
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
