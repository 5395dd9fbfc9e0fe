import {
  checkNumbers,
  count,
  expectList,
  expectObject,
  refuseArgument,
  SosError,
  wholeSeed,
} from '../base/index.js'
import type { Dataset } from '../data/index.js'
import { checkIndices, expectDataset } from '../data/internal.js'
import { expectClassesOf, randomness } from '../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'
import { expectOwnBias, groupsOf, isConvolution, type ShiftableLayer } from './layer/layer.js'
import { expectSomeRank, LayerWeights } from './layer/layer-weights.js'
import { type CapturedBatch, isSummed, type SummedBatch } from './shift-batch.js'
import { describeShift, type ShiftRecord } from './shift-record.js'
import type { LinearMap } from './solve/linear-map.js'
import { checkRankPolicy } from './solve/rank.js'
import { type Solution, type SolveOptions, solveShift } from './solve/solve.js'
import { StreamedSolve } from './solve/streamed-solve.js'
import { type VerifyOptions, verifyNumbers, verifyOnAll, verifyOnBatch } from './verify-shift.js'

/** How the shift of a captured batch is solved, verified and certified. */
export interface ApplyOptions extends VerifyOptions, SolveOptions {}

/**
 * Carries out the last step of a shift: replaces the weight V of `layer` by the solution V* of AV* = AV with the least Frobenius norm.
 * A holds the rows of the batch. `shiftOptimum` draws, captures and applies. Call this function if you capture in your own
 * way, for example together with other processes.
 *
 * The new weight is verified before it is written. It is then written in place, between two forwards.
 *
 * @param model the model; its weights are changed
 * @param layer the layer to shift, as `shiftableLayer` returns it
 * @param dataset the dataset that the batch was drawn from
 * @param batch the samples, and the layer's inputs for them: those of `drawBatch` and `captureRows` together; or the sums of all samples
 * @param options how to solve, verify and certify. For a summed batch the solver, the rank policy and the bias mode are those of its
 *   `StreamedSolve`s, and all samples are certified in a second pass
 * @param options.companions more tensors of the weight's shape [n, m], for example an optimizer's momentum of it. They are projected, in
 *   place, on the directions that the weight keeps. Not with convolutions or a summed batch
 * @returns the record of the shift
 * @throws what `shiftOptimum` throws once it has captured; the model is then as it was
 * @example
 * const layer = shiftableLayer(model)
 * const batch = drawBatch(train, layer, { batchSize: 60 })
 * const captured = await captureRows(model, layer, train, batch.indices)
 * const record = await applyShift(model, layer, train, { ...batch, ...captured })
 * console.log(record.rank, record.normAfter < record.normBefore) // → 60 true
 */
export async function applyShift(
  model: ScriptModule,
  layer: ShiftableLayer,
  dataset: Dataset,
  batch: CapturedBatch | SummedBatch,
  options: ApplyOptions = {},
): Promise<ShiftRecord> {
  const start = performance.now()
  expectModule('model', model)
  expectObject('layer', layer)
  expectDataset('dataset', dataset)
  checkBatch(batch, layer, dataset)
  checkNumbers(options, verifyNumbers)
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  const how = isSummed(batch) ? { ...options, ...batch.solves[0]!.options } : options
  expectClassesOf(model, dataset)
  expectOwnBias(model, layer, [how.bias])
  const companions = expectCompanions(options.companions, layer, batch)
  using held = model.viewToShift()
  return await torch.noGrad(() =>
    scope(async () => {
      const weights = new LayerWeights(held, layer.path, groupsOf(layer))
      weights.expectNumbers()
      const before = weights.maps()
      const solutions = await (isSummed(batch)
        ? solveSums(batch, before)
        : solveRows(batch, before, {
            ...how,
            ...(companions && { companions: companions.map((one) => one.t()) }),
          }))
      expectSomeRank(layer.path, solutions, how)
      const shifted = weights.stored(solutions)
      const shift = { layer, weights, solutions, before, after: weights.maps(shifted), shifted }
      const verified = await (isSummed(batch)
        ? verifyOnAll(held, dataset, shift, batch, how)
        : verifyOnBatch(held, dataset, shift, batch, how))
      await weights.write(shifted)
      companions?.forEach((tensor, i) => void tensor.copy_(solutions[0]!.companions[i]!.t()))
      const random = randomness(model)
      const { dtype } = weights
      return describeShift({
        ...shift,
        ...verified,
        options: how,
        dataset,
        dtype,
        warnings: [...verified.warnings, ...(random === null ? [] : [random])],
        milliseconds: performance.now() - start,
      })
    }),
  )
}

function checkBatch(batch: CapturedBatch | SummedBatch, layer: ShiftableLayer, dataset: Dataset): void {
  expectObject('batch', batch)
  if (isSummed(batch)) {
    expectList('batch.solves', batch.solves)
    for (const solve of batch.solves) {
      if (!(solve instanceof StreamedSolve)) refuseArgument('a StreamedSolve', 'batch.solves', solve)
    }
    count('batch.images', batch.images)
  } else {
    expectList('batch.rows', batch.rows)
    checkIndices(dataset, batch.indices)
    wholeSeed('batch.seed', batch.seed)
  }
  const groups = isSummed(batch) ? batch.solves.length : batch.rows.length
  if (groups === groupsOf(layer)) return
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected the rows of ${groupsOf(layer)} groups of '${layer.path}' but received ${groups}`,
  )
}

function expectCompanions(
  companions: readonly Tensor[] | undefined,
  layer: ShiftableLayer,
  batch: CapturedBatch | SummedBatch,
): readonly Tensor[] | undefined {
  if (companions === undefined || !(isConvolution(layer) || isSummed(batch))) return companions
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    isSummed(batch)
      ? 'expected a captured batch to project companions with but received the sums of all samples'
      : `expected a linear layer to project companions of but '${layer.path}' is a convolution`,
  )
}

async function solveRows(
  { rows }: CapturedBatch,
  before: readonly LinearMap[],
  options: SolveOptions,
): Promise<Solution[]> {
  const solutions: Solution[] = []
  for (const [group, { weight, bias }] of before.entries()) {
    solutions.push(await solveShift(rows[group]!, weight, bias, options))
  }
  return solutions
}

/** Frees the sums once they are solved: the second pass over the data needs the memory. */
async function solveSums({ solves }: SummedBatch, before: readonly LinearMap[]): Promise<Solution[]> {
  const solutions: Solution[] = []
  for (const [group, solve] of solves.entries()) {
    solutions.push(await solve.solve(before[group]!))
    solve.dispose()
  }
  return solutions
}
