import { checkNumbers, meanWithError } from '../../base/index.js'
import { type Dataset, sampleIndices } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { asLogits, expectKind, forwardLogits, pass, whyCurved } from '../../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { expectModule, type Generator } from '../../torch/internal.js'
import { inFullPrecision } from '../full-precision.js'
import { expectReach } from '../gradient-reach.js'
import { chosenParameters } from '../operators/chosen-parameters.js'
import { expectTrace, type HessianTrace, type TraceOptions, traceNumbers } from './hessian-trace.js'

/** An estimate of the trace of the generalised Gauss-Newton matrix. */
export interface GaussNewtonTrace extends HessianTrace {
  /**
   * What makes the trace of the Hessian a different number, for example `aten::gelu`. Null if the model is piecewise
   * linear: this is then the trace of the Hessian too.
   */
  readonly curvedBy: string | null
}

/**
 * Estimates the trace of the generalised Gauss-Newton matrix G = Σ_i J_iᵀ (diag p_i − p_i p_iᵀ) J_i / N of a model's
 * mean cross-entropy over a fixed sample, in eval mode, with respect to all its parameters. J_i is the Jacobian of
 * sample i's logits, and p_i their softmax. If the model is piecewise linear (`isPiecewiseLinear`), tr(G) is tr(H),
 * which `hessianTrace` estimates, but from first derivatives alone. Otherwise tr(H) differs by a part that may be
 * positive or negative, and `curvedBy` says why. No label is used.
 *
 * With B = diag √p − p√pᵀ, for which BBᵀ = diag p − ppᵀ, and independent signs ε for each sample and class,
 *
 *     tr(G) = Σ_i E‖J_iᵀB_iε_i‖² / N = Σ_c E‖Σ_{i in chunk c} J_iᵀB_iε_i‖² / N,
 *
 * because the terms of two samples vanish on average. One ordinary backward of each chunk, from the logits with B_iε_i
 * as their gradient, is a probe. It is unbiased for any chunks, but its variance depends on them. The variance of a
 * chunk's squared length is at most 2 n² tr(G_c²), so that N samples in chunks of n leave about 2 n tr(G²)/N.
 * Hutchinson's probes of the whole leave up to 2 tr(H²).
 *
 * The residual p − e_ŷ of a label drawn from p (Martens 2020) has the covariance of Bε and would give the same mean.
 * But it has long tails: the wrong classes of a trained network are drawn once in a thousand times and then count a
 * thousandfold.
 *
 * The signs are drawn for one sample after another by the seed. Two models that are measured with the same options
 * share them, and `compareWith` pairs their probes.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset that the samples are drawn from
 * @param options how many samples and probes, and how to run
 * @param options.chunk default: 32, at which a convolutional network still runs at nine tenths of its full speed
 * @returns the estimate, its standard error, and what makes tr(H) differ
 * @throws `ERR_BATCH_SIZE`; `ERR_FROZEN`; `ERR_NO_GRADIENT` if no gradient reaches any parameter; `ERR_PROBABILITIES`
 *   if `outputs` is wrong; `ERR_OUTPUT_SHAPE`; `ERR_NOT_FINITE`; `ERR_DATASET` if every image was skipped
 * @example
 * const { trace, standardError, curvedBy } = await gaussNewtonTrace(model, train, { samples: 8, probes: 2 })
 * console.log(trace > 0, standardError >= 0, curvedBy) // → true true null
 */
export async function gaussNewtonTrace(
  model: ScriptModule,
  dataset: Dataset,
  options: TraceOptions = {},
): Promise<GaussNewtonTrace> {
  expectModule('model', model)
  expectDataset('dataset', dataset)
  checkNumbers(options, traceNumbers)
  const { samples = Math.min(512, dataset.size), probes = 32, seed = 0 } = options
  const { chunk = 32, device, onProgress, signal } = options
  using held = await inFullPrecision(model)
  const trained = chosenParameters(held, options.parameters)
  const indices = sampleIndices(dataset, { size: samples, sampling: 'uniform', seed })
  const curvedBy = whyCurved(held)
  const sums = new Float64Array(probes)
  const generator = new torch.Generator(seed)
  let withoutGradient: readonly string[] | undefined
  let loaded = 0
  const run = { chunk, device, rounds: probes, onProgress, signal }
  for await (const batch of pass(held, dataset, indices, run)) {
    loaded += batch.indices.length
    await torch.noGrad(() =>
      scope(async () => {
        const { output, logits } = await logitsOf(held, batch.images, options)
        withoutGradient ??= await expectReach(held, trained, output, options.parameters)
        const signs = signsOf(logits, probes, generator)
        for (let probe = 0; probe < probes; probe++) {
          signal?.throwIfAborted()
          const isLast = probe + 1 === probes
          sums[probe]! += await squaredProbe(logits, [...trained.values()], signs.select(1, probe), isLast)
          batch.roundDone()
        }
      }),
    )
  }
  const perProbe = Array.from(sums, (sum) => sum / loaded)
  const { mean: trace, standardError } = meanWithError(perProbe)
  expectTrace(model, trace)
  return {
    trace,
    size: [...trained.values()].reduce((sum, parameter) => sum + parameter.numel(), 0),
    standardError,
    probes,
    perProbe,
    samples,
    indices,
    curvedBy,
    withoutGradient: withoutGradient ?? [],
  }
}

/** The model's output with its graph, and the logits in it. */
async function logitsOf(
  model: ScriptModule,
  images: Tensor,
  { outputs = 'logits', output: item }: TraceOptions,
): Promise<{ output: Tensor; logits: Tensor }> {
  const output = await torch.enableGrad(() => forwardLogits(model, images, item))
  expectKind(output, outputs)
  return { output, logits: asLogits(output, outputs) }
}

/** 1 or −1 for each sample, probe and class of a chunk, [samples, probes, classes]. */
function signsOf(logits: Tensor, probes: number, generator: Generator): Tensor {
  const [samples, classes] = logits.shape as [number, number]
  const drawn = torch.randint(0, 2, [samples, probes, classes], { generator, dtype: 'float64' })
  return drawn.mul_(2).sub_(1).to({ device: logits.device })
}

/** ‖Σ_i J_iᵀB_iε_i‖² over the samples i of a chunk: one backward. */
async function squaredProbe(
  logits: Tensor,
  parameters: readonly Tensor[],
  signs: Tensor,
  isLast: boolean,
): Promise<number> {
  return scope(async () => {
    const p = torch.softmax(logits.detach().to({ dtype: 'float64' }), 1)
    const gradients = await torch.autograd.grad([logits], parameters, {
      gradOutputs: [whitened(p, signs).to({ dtype: logits.dtype })],
      retainGraph: !isLast,
      allowUnused: true,
    })
    return squaredLength(gradients)
  })
}

/** Bε = √p ε − p (√pᵀε) for each row of p and ε, [n, K]. */
function whitened(p: Tensor, signs: Tensor): Tensor {
  const scaled = p.sqrt().mul(signs)
  return scaled.sub(p.mul(scaled.sum([1], true)))
}

/** The sum of the squares of all entries, in float64. */
async function squaredLength(gradients: readonly (Tensor | null)[]): Promise<number> {
  const given = gradients.filter((gradient) => gradient !== null)
  if (given.length === 0) return 0
  const lengths = await torch.async._foreach_norm(given, 2, 'float64')
  return torch.stack(lengths).square().sum().item()
}
