import type { Dataset, Progress } from '../../data/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'
import { isHalf } from '../../torch/internal.js'
import { controlNames, controlWeights } from '../controls.js'
import { type RankPolicy, rankPolicyName, valuesAtCut } from '../solve/rank.js'
import { type BiasMode, type Solution, solveShift } from '../solve/solve.js'
import { logitBudget } from '../verify-shift.js'
import type { Features } from './features.js'
import { normPath } from './norm-path.js'
import type { Candidate, StudyLayer } from './study-layer.js'
import type { StudyBatch, StudyPlan } from './study-plan.js'
import type { NormPath, StudyRow, StudySpectrum, StudyVariant } from './study-result.js'
import type { ValidationMeter } from './validation-meter.js'

/** What the rows of a study are computed from. */
export interface StudyParts {
  readonly plan: StudyPlan
  readonly train: Dataset
  /** The inputs of the layer for the images of all batches. */
  readonly features: Features
  readonly layer: StudyLayer
  readonly meter: ValidationMeter
  /** Whether the controls are measured beside the first policy, sampling and bias mode. */
  readonly controls: boolean
  readonly signal: AbortSignal | undefined
}

/** What {@link studyRows} finds. */
export interface StudyRows {
  readonly rows: StudyRow[]
  readonly controls: StudyRow[]
  readonly spectra: StudySpectrum[]
  readonly paths: NormPath[]
}

/** A larger change of a logit of the batch is a warning: the loss of the batch is then not what it was. */
const notedLogitChange = 1e-2

/**
 * Solves and measures every combination of a plan, in the order of batch size, sampling, bias mode and policy, with the
 * draws innermost. The p-values of the rows are not yet corrected for their number.
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

/** Solves and measures one shift, and what belongs beside it. */
async function studyBatch(
  parts: StudyParts,
  batch: StudyBatch,
  bias: BiasMode,
  policy: RankPolicy,
  found: StudyRows,
): Promise<void> {
  const { plan, features, layer, controls } = parts
  const { sampling, seed, batchSize } = batch
  const { weight: v, bias: b } = layer.exact
  const a = inputsOf(batch, features)
  const variant = { method: 'shift', policy: rankPolicyName(policy), sampling, bias } as const
  const solution = await solveShift(a, v, b, { rank: policy, bias, solver: plan.solver })
  const { singularValues } = solution
  const budget = logitBudget({ rank: policy })
  const candidate = layer.candidate(a, solution, budget)
  found.rows.push(await measuredRow(parts, batch, variant, a.shape[0]!, candidate, solution))
  if (seed === plan.seeds[0] && singularValues !== null) {
    addSpectrum(found.spectra, variant, batch, solution.rank, singularValues)
  }
  const isFirst = bias === plan.biases[0] && policy === plan.policies[0]
  if (isFirst && batchSize === plan.batchSizes.at(-1)) {
    found.paths.push({ seed, sampling, points: await normPath(a, v) })
  }
  if (!controls || !isFirst || sampling !== plan.samplings[0]) return
  found.controls.push(...(await controlRows(parts, batch, variant, a, solution)))
}

/** Measures each control of the same batch that a shift has. */
async function controlRows(
  parts: StudyParts,
  batch: StudyBatch,
  variant: StudyVariant,
  a: Tensor,
  { weight: vStar, rank }: Solution,
): Promise<StudyRow[]> {
  const { features, layer } = parts
  const { weight: v, bias } = layer.exact
  const rows: StudyRow[] = []
  for (const method of controlNames) {
    const options = { a, v, vStar, rank, pool: features.rows, seed: batch.seed }
    const { weight, lambda } = await controlWeights(method, options)
    const candidate = layer.candidate(a, { weight, bias }, null)
    const ofRank = method === 'pca' || method === 'random' ? { rank } : null
    const control = { ...variant, method, bias: 'fixed' } as const
    rows.push(await measuredRow(parts, batch, control, a.shape[0]!, candidate, ofRank, lambda))
  }
  return rows
}

/** A: the features of a batch in its order, without the images that could not be read. */
function inputsOf({ indices }: StudyBatch, { rows, indices: known }: Features): Tensor {
  const places = new Map(known.map((index, place) => [index, place]))
  const found = indices.flatMap((index) => places.get(index) ?? [])
  return rows.index_select(0, torch.tensor(found, { dtype: 'int64' }))
}

/**
 * Measures weights on the validation images.
 *
 * @param images how many images of the batch could be read
 * @param solution what was solved for; null if the control has no rank
 */
async function measuredRow(
  { train, features, layer, meter }: StudyParts,
  batch: StudyBatch,
  variant: StudyVariant,
  images: number,
  candidate: Candidate,
  solution: Partial<Solution> | null,
  lambda: number | null = null,
): Promise<StudyRow> {
  const { batchSize, seed, indices } = batch
  const isShift = variant.method === 'shift'
  const known = new Set(features.indices)
  const covered = new Set(indices.filter((index) => known.has(index)).map((index) => train.labels[index]!))
  const { score, test, drift, unseen } = await meter.measure(candidate.map, covered)
  const { singularValues, rank = 0 } = solution ?? {}
  return {
    ...variant,
    batchSize,
    seed,
    rank: solution?.rank ?? null,
    lambda,
    singularValues: singularValues ? valuesAtCut(singularValues, rank) : null,
    identity: candidate.identity,
    rolledBack: isShift ? candidate.rolledBack : null,
    normBefore: layer.norm,
    normAfter: candidate.normAfter,
    batchLogitChange: candidate.batchLogitChange,
    classesCovered: covered.size,
    unseen,
    score,
    test: { ...test, adjustedPValue: test.pValue },
    drift,
    warnings: [
      ...(solution?.warnings ?? []),
      ...batchWarnings(batchSize - images, lambda),
      ...(isShift ? shiftWarnings(candidate) : []),
    ],
  }
}

function batchWarnings(missing: number, lambda: number | null): string[] {
  return [
    ...(missing > 0 ? [`${missing} images of the batch could not be read`] : []),
    ...(lambda === 0 ? ['λ is 0: this is the shift itself, not a control'] : []),
  ]
}

function shiftWarnings({ map, rolledBack, batchLogitChange, roundingChange }: Candidate): string[] {
  if (rolledBack !== null) return [`\`sos shift\` would not write it: ${rolledBack}`]
  if (batchLogitChange <= notedLogitChange) return []
  const { dtype } = map.weight
  const rounding = isHalf(dtype) ? ` (${roundingChange.toPrecision(2)} by rounding to ${dtype} alone)` : ''
  return [
    `logits of the batch move by up to ${batchLogitChange.toPrecision(2)}${rounding}, so that the loss of the batch changes`,
  ]
}

/** Adds the singular values of a batch, or only the cut of another policy if they are there already. */
function addSpectrum(
  spectra: StudySpectrum[],
  { policy, sampling, bias }: StudyVariant,
  { batchSize, seed }: StudyBatch,
  rank: number,
  singularValues: readonly number[],
): void {
  const at = spectra.findIndex(
    (one) => one.batchSize === batchSize && one.sampling === sampling && one.bias === bias,
  )
  const cuts = [...(spectra[at]?.cuts ?? []), ...(policy.startsWith('ridge') ? [] : [{ policy, rank }])]
  const values = singularValues.map((value) => Number(value.toPrecision(6)))
  spectra.splice(at < 0 ? spectra.length : at, 1, { batchSize, seed, sampling, bias, values, cuts })
}
