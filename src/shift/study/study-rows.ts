import type { Dataset, Progress } from '../../data/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { isHalf } from '../../torch/internal.js'
import { controlNames as allControls, controlWeights } from '../controls.js'
import type { LinearMap } from '../solve/linear-map.js'
import { type RankPolicy, rankPolicyName } from '../solve/rank.js'
import { type BiasMode, type Solution, solveShift } from '../solve/solve.js'
import { logitBudget } from '../verify-shift.js'
import type { Features } from './features.js'
import { normPath } from './norm-path.js'
import type { StudyLayer } from './study-layer.js'
import type { StudyBatch, StudyPlan } from './study-plan.js'
import type { NormPath, StudyRow, StudySpectrum, StudyVariant } from './study-result.js'
import type { ValidationMeter } from './validation-meter.js'

export interface StudyParts {
  readonly plan: StudyPlan
  readonly train: Dataset
  /** Of the images of all batches. */
  readonly features: Features
  readonly layer: StudyLayer
  readonly meter: ValidationMeter
  /** Whether the controls are measured beside the first policy, sampling and bias. */
  readonly controls: boolean
  readonly signal: AbortSignal | undefined
}

export interface StudyRows {
  readonly rows: StudyRow[]
  readonly controls: StudyRow[]
  readonly spectra: StudySpectrum[]
  readonly paths: NormPath[]
}

/** A logit of the batch that moves further is worth a word: then its loss is not what it was. */
const worthTelling = 1e-2

/**
 * Solves and measures every combination of a plan: by batch size, sampling, bias, policy, and the draws innermost. The tests
 * of the rows are still to be corrected for their number.
 */
export async function studyRows(
  parts: StudyParts,
  onProgress: (progress: Progress) => void,
): Promise<StudyRows> {
  const { plan, signal } = parts
  const found: StudyRows = { rows: [], controls: [], spectra: [], paths: [] }
  const cases = plan.biases.flatMap((bias) => plan.policies.map((policy) => ({ bias, policy })))
  const groups = plan.batchSizes.flatMap((size) =>
    plan.samplings.map((sampling) =>
      plan.batches.filter((batch) => batch.batchSize === size && batch.sampling === sampling),
    ),
  )
  const total = plan.batches.length * cases.length
  for (const group of groups) {
    for (const { bias, policy } of cases) {
      for (const batch of group) {
        signal?.throwIfAborted()
        await scope(() => studyBatch(parts, batch, bias, policy, found))
        onProgress({ done: found.rows.length, total })
      }
    }
  }
  return found
}

/** One shift, and what belongs beside it. */
async function studyBatch(
  parts: StudyParts,
  batch: StudyBatch,
  bias: BiasMode,
  policy: RankPolicy,
  found: StudyRows,
): Promise<void> {
  const { plan, features, layer, controls } = parts
  const { sampling, seed, batchSize } = batch
  const [v, b] = [layer.exact.weight, layer.exact.bias]
  const a = inputsOf(batch, features)
  const variant = { method: 'shift', policy: rankPolicyName(policy), sampling, bias } as const
  const solution = await solveShift(a, v, b, { rank: policy, bias, solver: plan.solver })
  const budget = logitBudget({ rank: policy })
  found.rows.push(await measuredRow(parts, batch, variant, a, solution, solution, budget))
  if (seed === plan.seeds[0] && solution.singularValues !== null) {
    tellSpectrum(found.spectra, variant, batch, solution, solution.singularValues)
  }

  const first = bias === plan.biases[0] && policy === plan.policies[0]
  if (first && batchSize === plan.batchSizes.at(-1)) {
    found.paths.push({ seed, sampling, points: await normPath(a, v) })
  }
  if (!controls || !first || sampling !== plan.samplings[0]) return
  for (const method of allControls) {
    const { weight: vStar, rank } = solution
    const made = await controlWeights(method, { a, v, vStar, rank, pool: features.rows, seed })
    const { weight, lambda } = made
    const told = method === 'pca' || method === 'random' ? { rank } : null
    const control = { ...variant, method, bias: 'fixed' } as const
    found.controls.push(await measuredRow(parts, batch, control, a, { weight, bias: b }, told, null, lambda))
  }
}

/** A, the features of a batch in its order, without images that could not be read. */
function inputsOf({ indices }: StudyBatch, { rows, indices: known }: Features): Tensor {
  const places = new Map(known.map((index, place) => [index, place]))
  const found = indices.flatMap((index) => places.get(index) ?? [])
  return rows.index_select(0, torch.tensor(found, { dtype: 'int64' }))
}

async function measuredRow(
  { train, features, layer, meter }: StudyParts,
  { batchSize, seed, indices }: StudyBatch,
  variant: StudyVariant,
  a: Tensor,
  map: LinearMap,
  solution: Partial<Solution> | null,
  budget: number | null = null,
  lambda: number | null = null,
): Promise<StudyRow> {
  const candidate = layer.candidate(a, map, budget)
  const { normAfter, batchLogitChange, roundingChange, identity } = candidate
  const { dtype } = candidate.map.weight
  const rolledBack = variant.method === 'shift' ? candidate.rolledBack : null
  const known = new Set(features.indices)
  const covered = new Set(indices.filter((index) => known.has(index)).map((index) => train.labels[index]!))
  const { score, test, drift, unseen } = await meter.measure(candidate.map, covered)
  const warnings = [...(solution?.warnings ?? [])]
  const missing = batchSize - a.shape[0]!
  if (missing > 0) warnings.push(`${missing} images of the batch could not be read`)
  if (lambda === 0) warnings.push('λ = 0: this is the shift itself, and no control')
  if (rolledBack !== null) warnings.push(`\`sos shift\` would not write it: ${rolledBack}`)
  else if (variant.method === 'shift' && batchLogitChange > worthTelling) {
    const rounding = isHalf(dtype) ? ` (${roundingChange.toPrecision(2)} by rounding to ${dtype} alone)` : ''
    warnings.push(
      `logits of the batch move by up to ${batchLogitChange.toPrecision(2)}${rounding}: its loss changes`,
    )
  }
  return {
    ...variant,
    batchSize,
    seed,
    rank: solution?.rank ?? null,
    lambda,
    singularValues: cutOf(solution),
    identity,
    rolledBack,
    normBefore: layer.norm,
    normAfter,
    batchLogitChange,
    classesCovered: covered.size,
    unseen,
    score,
    test: { ...test, adjustedPValue: test.pValue },
    drift,
    warnings,
  }
}

function cutOf(solution: Partial<Solution> | null): StudyRow['singularValues'] {
  const { singularValues, rank = 0 } = solution ?? {}
  if (!singularValues) return null
  return {
    first: singularValues[0]!,
    last: singularValues[rank - 1] ?? 0,
    next: singularValues[rank] ?? null,
  }
}

function tellSpectrum(
  spectra: StudySpectrum[],
  { policy, sampling, bias }: StudyVariant,
  { batchSize, seed }: StudyBatch,
  { rank }: Solution,
  singularValues: readonly number[],
): void {
  const at = spectra.findIndex(
    (one) => one.batchSize === batchSize && one.sampling === sampling && one.bias === bias,
  )
  const cuts = [...(spectra[at]?.cuts ?? []), ...(policy.startsWith('ridge') ? [] : [{ policy, rank }])]
  const values = singularValues.map((value) => Number(value.toPrecision(6)))
  spectra.splice(at < 0 ? spectra.length : at, 1, { batchSize, seed, sampling, bias, values, cuts })
}
