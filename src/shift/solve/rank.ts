import { expectObject, expectText, SosError, shown } from '../../base/index.js'
import { scope, type Tensor, torch } from '../../torch/index.js'

/**
 * How many directions of the row space are kept. The choice is a hyper-parameter of the method: on collapsed features
 * the usual tolerance of a numerical rank halves the rank, and the norm with it.
 *
 * - `logits`: the smallest rank at which no logit of the batch moves by more than `delta`. Default: 1e-3, far below
 *   what separates two classes and above the rounding of float32.
 * - `tolerance`: the number of singular values above `tolerance` · σ₁. Default: by the dtype of the features
 *   (`defaultTolerance`).
 * - `energy`: the smallest rank whose Σσᵢ² is at least `share` of the whole.
 * - `fixed`: `rank` directions, or all if there are fewer.
 * - `ridge`: all directions, each damped by σᵢ² / (σᵢ² + λ), with λ = `lambda` · σ₁². It is a control rather than a
 *   shift: the batch's logits move.
 */
export type RankPolicy =
  | { readonly policy: 'logits'; readonly delta?: number }
  | { readonly policy: 'tolerance'; readonly tolerance?: number }
  | { readonly policy: 'energy'; readonly share: number }
  | { readonly policy: 'fixed'; readonly rank: number }
  | { readonly policy: 'ridge'; readonly lambda: number }

/** The default `delta` of the rank policy `logits`. */
export const defaultDelta = 1e-3

/**
 * Names a rank policy, in the form that {@link parseRankPolicy} reads.
 *
 * @param policy the policy
 * @returns its name and its number, for example `logits:0.001` or `fixed:100`; the name alone if it has no number
 * @throws `ERR_INVALID_ARGUMENT` if it is not an object
 * @example
 * console.log(rankPolicyName({ policy: 'fixed', rank: 100 })) // → fixed:100
 */
export function rankPolicyName(policy: RankPolicy): string {
  expectObject('policy', policy)
  const { policy: name, ...values } = policy
  const [value] = Object.values(values)
  return value === undefined ? name : `${name}:${value}`
}

const parameters = {
  logits: 'delta',
  tolerance: 'tolerance',
  energy: 'share',
  fixed: 'rank',
  ridge: 'lambda',
} as const

/**
 * Reads a rank policy from a text: `logits`, `logits:1e-3`, `tolerance`, `tolerance:1e-6`, `energy:0.99`, `fixed:100`
 * or `ridge:1e-4`.
 *
 * @param text the name, and for most policies a colon and a number
 * @returns the policy
 * @throws `ERR_RANK_POLICY` for any other text, or a number out of range
 * @example
 * console.log(parseRankPolicy('energy:0.99')) // → { policy: 'energy', share: 0.99 }
 */
export function parseRankPolicy(text: string): RankPolicy {
  expectText('rank policy', text)
  const [name = '', value, ...rest] = text.split(':')
  const known = Object.hasOwn(parameters, name) && rest.length === 0
  if (known && value !== '' && !Number.isNaN(Number(value ?? 0))) {
    const parameter = parameters[name as keyof typeof parameters]
    const policy = {
      policy: name,
      ...(value === undefined ? {} : { [parameter]: Number(value) }),
    } as RankPolicy
    checkRankPolicy(policy)
    return policy
  }
  throw new SosError(
    'ERR_RANK_POLICY',
    `expected a rank policy such as logits[:DELTA], tolerance[:TAU], energy:SHARE, fixed:RANK or ridge:LAMBDA but received '${text}'`,
  )
}

/** Throws `ERR_RANK_POLICY` if a policy's number is out of its range. */
export function checkRankPolicy(policy: RankPolicy): void {
  const given = policy as { readonly policy: keyof typeof parameters } & Readonly<Record<string, unknown>>
  const parameter = parameters[given?.policy]
  if (!Object.hasOwn(parameters, given?.policy ?? '')) {
    throw new SosError(
      'ERR_RANK_POLICY',
      `expected one of the rank policies ${Object.keys(parameters).join(', ')} but received ${shown(given?.policy)}`,
    )
  }
  const value = given[parameter]
  if (value === undefined && (parameter === 'delta' || parameter === 'tolerance')) return
  const { what, holds } = ranges[parameter]
  if (typeof value === 'number' && Number.isFinite(value) && holds(value)) return
  throw new SosError(
    'ERR_RANK_POLICY',
    `expected ${what} for ${parameter} of the rank policy '${given.policy}' but received ${shown(value)}`,
  )
}

const ranges = {
  delta: { what: 'a finite number of at least 0', holds: (value: number) => value >= 0 },
  tolerance: { what: 'a number from 0 to below 1', holds: (value: number) => value >= 0 && value < 1 },
  share: { what: 'a number above 0 and at most 1', holds: (value: number) => value > 0 && value <= 1 },
  rank: {
    what: 'a whole number of at least 0',
    holds: (value: number) => Number.isSafeInteger(value) && value >= 0,
  },
  lambda: { what: 'a finite number of at least 0', holds: (value: number) => value >= 0 },
}

/**
 * The rank that a policy keeps. It is `full` at most, beyond which there is only noise; only `rankOfDelta` may keep
 * more.
 *
 * @param singularValues in descending order
 * @param tolerance used for the policy `tolerance` if it has none itself
 * @param rankOfDelta finds the smallest rank at which no logit moves by more than `delta`
 */
export async function chooseRank(
  policy: RankPolicy,
  singularValues: readonly number[],
  full: number,
  { tolerance, rankOfDelta }: { tolerance: number; rankOfDelta: (delta: number) => number | Promise<number> },
): Promise<number> {
  switch (policy.policy) {
    case 'tolerance':
      return Math.min(full, countAbove(singularValues, policy.tolerance ?? tolerance))
    case 'energy':
      return Math.min(full, rankOfEnergy(singularValues, policy.share))
    case 'fixed':
      return Math.min(full, policy.rank)
    case 'ridge':
      return full
    case 'logits':
      return rankOfDelta(policy.delta ?? defaultDelta)
  }
}

/** How many of the singular values, in descending order, are above `tolerance` · σ₁. */
export function countAbove(singularValues: readonly number[], tolerance: number): number {
  const floor = tolerance * (singularValues[0] ?? 0)
  return singularValues.filter((value) => value > floor).length
}

/** The smallest rank whose Σσᵢ² is at least `share` of the whole. */
export function rankOfEnergy(singularValues: readonly number[], share: number): number {
  const energies = singularValues.map((value) => value * value)
  // From the small end, so that what is left over is summed without cancellation.
  const allowed = (1 - share) * energies.reduce((sum, energy) => sum + energy, 0)
  let rank = energies.length
  let dropped = 0
  while (rank > 0) {
    dropped += energies[rank - 1]!
    if (dropped > allowed) break
    rank--
  }
  return rank
}

/**
 * The smallest rank r with max |A(I − Q_r Q_rᵀ)V| ≤ δ, found by bisection: the residual of a cut at r is the product of
 * the columns and rows beyond r. The largest entry, unlike a norm, may become smaller by chance while r falls. Such a
 * place may be missed, but the bound holds at the rank that is returned.
 *
 * @param left A·Q, float64 [b, k]
 * @param right QᵀV, float64 [k, n]
 * @param full the largest rank that may be returned
 */
export async function rankOfLogits(
  left: Tensor,
  right: Tensor,
  delta: number,
  full: number,
): Promise<number> {
  const moved = (rank: number) =>
    scope(async () => {
      const tail = full - rank
      const residual = await torch.async.matmul(left.narrow(1, rank, tail), right.narrow(0, rank, tail))
      return residual.abs().max().item()
    })
  // From the end, in steps that double: if little can be cut, as in most batches, no large products are needed.
  let [low, high] = [0, full] // high always stays within delta, low − 1 never
  for (let tail = 1; high > 0; tail *= 2) {
    const next = Math.max(0, full - tail)
    if ((await moved(next)) > delta) {
      low = next + 1
      break
    }
    high = next
  }
  while (low < high) {
    const middle = (low + high) >> 1
    if ((await moved(middle)) <= delta) high = middle
    else low = middle + 1
  }
  return high
}

/** The factors by which ridge multiplies each direction: σᵢ² / (σᵢ² + λ), with λ = `lambda` · σ₁². */
export function damping(singularValues: readonly number[], rank: number, lambda: number): number[] {
  const scaled = lambda * (singularValues[0] ?? 0) ** 2
  return singularValues.slice(0, rank).map((value) => value ** 2 / (value ** 2 + scaled))
}

/** The singular values around the cut at a rank r. */
export interface CutValues {
  /** σ₁. */
  readonly first: number
  /** σ_r, the last one that is kept; 0 if none is. */
  readonly last: number
  /** σ_{r+1}, the first one that is cut; null if none is. */
  readonly next: number | null
}

/** The singular values around the cut at `rank`. */
export function valuesAtCut(singularValues: readonly number[], rank: number): CutValues {
  return {
    first: singularValues[0]!,
    last: singularValues[rank - 1] ?? 0,
    next: singularValues[rank] ?? null,
  }
}

/** The warning about a cut between singular values of similar size; null if there is a gap, or nothing is cut. */
export function gapWarning(singularValues: readonly number[], rank: number): string | null {
  const [last, next] = [singularValues[rank - 1], singularValues[rank]]
  if (last === undefined || next === undefined || last >= leastGap * next) return null
  return `the singular values have no gap at rank ${rank} (σ_r / σ_r+1 = ${(last / next).toPrecision(3)}, below ${leastGap}): the rank, and the norm with it, depends on where the cut is set`
}

const leastGap = 10
