import type { Dataset } from '../data/dataset.js'
import { classesCovered, type Sampling, sampleIndices } from '../data/sampling.js'
import { noGrad } from '../torch/context.js'
import { SosError } from '../torch/errors.js'
import { torch } from '../torch/ops.js'
import { scope } from '../torch/scope.js'
import type { ScriptModule } from '../torch/script-module.js'
import type { Tensor } from '../torch/tensor.js'
import { type CaptureOptions, captureInputs } from './capture.js'
import { type LinearLayer, linearLayer } from './last-linear.js'
import { project, rowSpace } from './row-space.js'

export interface ShiftOptions extends CaptureOptions {
  /** Path of the linear layer. Default: the last one that forward calls. */
  layer?: string
  /**
   * b, the samples whose logits stay. Default: 300, the paper's best of 200, 300 and 400 on CIFAR-100 (Table 4), or half
   * the layer's inputs where that is less: as many as its inputs and hardly anything is left to shift.
   */
  batchSize?: number
  /** Default: stratified; the paper draws uniformly, and may miss classes, whose images then suffer. */
  sampling?: Sampling
  /** Of the batch. Default: 0. */
  seed?: number
  /** Singular values below this share of the largest count as zero. Default: by the features' dtype, 1e-6 for float32. */
  tolerance?: number
  /** The most that a logit of the batch may move, in the layer's own dtype. Default: 1e-3. */
  logitBudget?: number
}

/** What a shift did, in words that `sos.json` and `--json` carry too. */
export interface ShiftRecord {
  readonly layer: string
  readonly batchSize: number
  readonly sampling: Sampling
  readonly seed: number
  /** The samples of the dataset that made the batch. */
  readonly indices: readonly number[]
  readonly classesCovered: number
  readonly classes: number
  /** r, the dimension of the row space of A; m − r directions of V were free. */
  readonly rank: number
  readonly inFeatures: number
  readonly tolerance: number
  /** σ₁, σ_r and σ_{r+1}; `next` is null where the rank is full. */
  readonly singularValues: { readonly first: number; readonly last: number; readonly next: number | null }
  /** ‖V‖ and ‖V*‖, Frobenius, of the weight as stored. */
  readonly normBefore: number
  readonly normAfter: number
  /** The largest change of a logit of the batch, in the layer's dtype. */
  readonly batchLogitChange: number
  readonly milliseconds: number
}

/**
 * Stochastic optimum shifting (Zhou et al., Algorithm 1's shift): replaces the weight V of a linear layer by the solution
 * V* of AV* = AV of least Frobenius norm, where A holds the layer's inputs for a small batch. The logits of the batch
 * stay, those of other images move a little; the bias stays.
 *
 * The weight is written in place. It is then verified in the layer's own dtype, and rolled back where a logit of the batch
 * moved by more than `logitBudget` or the norm grew.
 *
 * @throws `ERR_BATCH_SIZE`, `ERR_NO_SUCH_MODULE`, `ERR_NOT_LINEAR`, `ERR_FROZEN`, `ERR_SHIFT_VERIFICATION` (the model is
 * as it was)
 */
export async function shiftOptimum(
  model: ScriptModule,
  dataset: Dataset,
  options: ShiftOptions = {},
): Promise<ShiftRecord> {
  const start = performance.now()
  const layer = linearLayer(model, options.layer)
  const {
    batchSize = Math.min(300, Math.max(1, layer.inFeatures >> 1), dataset.size),
    sampling = 'stratified',
    seed = 0,
    logitBudget = 1e-3,
  } = options
  const indices = sampleIndices(dataset, { size: batchSize, sampling, seed })
  return noGrad(() =>
    scope(async () => {
      const a = await captureInputs(model, layer, dataset, indices, options)
      expectFinite(a, layer)
      const space = await rowSpace(a, options.tolerance)
      const weight = model.namedParameters().get(parameter(layer, 'weight'))!
      const verified = replaceVerified(model, layer, a, project(space, transposed(weight)), logitBudget)
      return {
        layer: layer.path,
        batchSize,
        sampling,
        seed,
        indices,
        classesCovered: classesCovered(dataset, indices),
        classes: dataset.classes.length,
        rank: space.rank,
        inFeatures: layer.inFeatures,
        tolerance: space.tolerance,
        singularValues: {
          first: space.singularValues[0]!,
          last: space.singularValues[space.rank - 1] ?? 0,
          next: space.singularValues[space.rank] ?? null,
        },
        ...verified,
        milliseconds: performance.now() - start,
      }
    }),
  )
}

/** V in float64 on the CPU, [m, n]: TorchScript keeps its transpose. */
function transposed(weight: Tensor): Tensor {
  return weight.to({ device: 'cpu', dtype: 'float64' }).t()
}

/** Writes V* and holds it against the layer as it was, on the batch and in the layer's own dtype. */
function replaceVerified(
  model: ScriptModule,
  layer: LinearLayer,
  a: Tensor,
  vStar: Tensor,
  logitBudget: number,
): Pick<ShiftRecord, 'normBefore' | 'normAfter' | 'batchLogitChange'> {
  const parameters = model.namedParameters()
  const weight = parameters.get(parameter(layer, 'weight'))!
  const bias = parameters.get(parameter(layer, 'bias')) ?? null
  const inputs = a.to({ device: weight.device, dtype: weight.dtype })
  const before = weight.clone()
  weight.copy_(vStar.t())
  const normBefore = norm(before)
  const normAfter = norm(weight)
  const batchLogitChange = torch
    .linear(inputs, weight, bias)
    .sub(torch.linear(inputs, before, bias))
    .abs()
    .max()
    .item()
  // Rounding to the layer's dtype may lengthen a vector by its last digit.
  const grew = normAfter > normBefore * (1 + 1e-6)
  if (batchLogitChange <= logitBudget && !grew) return { normBefore, normAfter, batchLogitChange }
  weight.copy_(before)
  const why = grew
    ? `the norm would have grown from ${normBefore} to ${normAfter}`
    : `a logit of the batch would have moved by ${batchLogitChange}, more than ${logitBudget}`
  throw new SosError(
    'ERR_SHIFT_VERIFICATION',
    `the shift of '${layer.path}' was rolled back: ${why}; a smaller tolerance keeps more of the row space`,
  )
}

function norm(tensor: Tensor): number {
  return tensor.to('float64').square().sum().sqrt().item()
}

function expectFinite(a: Tensor, layer: LinearLayer): void {
  if (a.isfinite().all().item() === 1) return
  throw new SosError(
    'ERR_NOT_FINITE',
    `the inputs of '${layer.path}' hold NaN or infinity: the model or its preprocessing is not right for these images`,
  )
}

function parameter(layer: LinearLayer, name: 'weight' | 'bias'): string {
  return layer.path === '' ? name : `${layer.path}.${name}`
}
