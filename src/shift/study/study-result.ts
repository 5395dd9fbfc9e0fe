import type { Spread } from '../../base/index.js'
import type { Sampling } from '../../data/index.js'
import type { ReliabilityBin } from '../../evaluate/index.js'
import type { LogitCertificate } from '../certificates.js'
import type { Control } from '../controls.js'
import type { CutValues } from '../solve/rank.js'
import type { BiasMode, Solver } from '../solve/solve.js'

// What a study finds, in plain numbers and words: `study.json`, `sos study --json` and the report's page show it.

/** A dataset of a study, and how many of its images took part. */
export interface StudyData {
  readonly dataset: string
  readonly images: number
  /** Images that could not be read, where that was allowed. */
  readonly skipped: number
}

/** How well a classifier does on the validation images. */
export interface StudyScore {
  /** In per cent. */
  readonly top1: number
  /** In per cent; null where there are fewer than five classes. */
  readonly top5: number | null
  /** Mean cross-entropy, in nats. */
  readonly loss: number
  /** Expected calibration error, from 0 to 1. */
  readonly calibrationError: number
  readonly reliability: readonly ReliabilityBin[]
}

/** McNemar's exact test of the same images before and after. */
export interface PairedTest {
  /** Images that only the original model gets right, and only the shifted one. */
  readonly onlyBefore: number
  readonly onlyAfter: number
  /** Two-sided, of this comparison alone. */
  readonly pValue: number
  /**
   * The same after Holm's correction for all shifts of the study: below 0.05 it may be called significant. Controls are not
   * corrected.
   */
  readonly adjustedPValue: number
}

/** How far the logits of the validation images move, as they are computed, and how far they would have to. */
export interface StudyDrift extends LogitCertificate {
  /** Images spread evenly: max |Δzᵢ − Δzⱼ|, and the margin between the two largest logits before. */
  readonly sample: readonly { readonly drift: number; readonly margin: number }[]
}

/** What a row is of: optimum shifting, or one of the controls that it must be held against. */
export type StudyMethod = 'shift' | Control

/** What tells the rows of one batch size and one draw apart. */
export interface StudyVariant {
  readonly method: StudyMethod
  /** How the rank is chosen, as `logits:0.001`. */
  readonly policy: string
  readonly sampling: Sampling
  readonly bias: BiasMode
}

/** One shift, or one control, from the original V: no row starts from another's result. */
export interface StudyRow extends StudyVariant {
  /** b */
  readonly batchSize: number
  /** Of the draw. `sos shift` with the same seed, size and policy writes this very model, save where it is `rolledBack`. */
  readonly seed: number
  /** r; null where the method or the solver has none. */
  readonly rank: number | null
  /** Of the control `ridge`, 0 where it is the shift itself; null of all else. */
  readonly lambda: number | null
  /** σ₁, σ_r and σ_{r+1} of A, or of its centred or augmented form; null where the method or the solver has none. */
  readonly singularValues: CutValues | null
  /** Whether V* is V up to rounding: the batch spans all inputs. */
  readonly identity: boolean
  /**
   * Why `sos shift` would not write this model: logits of the batch move further than the policy allows, or the norm grows. Null
   * where it would, and of controls.
   */
  readonly rolledBack: string | null
  /** ‖V‖ and ‖V*‖, Frobenius. */
  readonly normBefore: number
  readonly normAfter: number
  /** The largest change of a logit of the batch. */
  readonly batchLogitChange: number
  readonly classesCovered: number
  /** Classes of the validation images that the batch has no image of, and how their images fare; null without any. */
  readonly unseen: {
    readonly classes: number
    readonly images: number
    /** In per cent. */
    readonly top1Before: number
    readonly top1After: number
  } | null
  readonly score: StudyScore
  readonly test: PairedTest
  readonly drift: StudyDrift
  readonly warnings: readonly string[]
}

/** The draws of one batch size and one variant together. */
export interface StudySummary extends StudyVariant {
  readonly batchSize: number
  readonly draws: number
  readonly top1: Spread
  readonly top5: Spread | null
  readonly loss: Spread
  readonly calibrationError: Spread
  readonly rank: Spread | null
  readonly norm: Spread
  /** The largest |Δz| of a logit of the validation images. */
  readonly logitChange: Spread
  readonly marginSafeShare: Spread
  readonly onlyBefore: Spread
  readonly onlyAfter: Spread
  /** The smallest and the largest p of the draws, each of its own comparison. */
  readonly pValues: { readonly smallest: number; readonly largest: number }
  /** Draws whose adjusted p is below 0.05. */
  readonly significantDraws: number
  readonly classesCovered: Spread
  readonly classesUnseen: Spread
  /** Draws whose shift is the identity. */
  readonly identities: number
  /** Draws of the control `ridge` that are the shift itself, since λ = 0. */
  readonly undamped: number
  /** Draws whose shift would not be written. */
  readonly rolledBack: number
}

/** The singular values of the first draw of a batch size, and where each policy cuts them. */
export interface StudySpectrum {
  readonly batchSize: number
  readonly seed: number
  readonly sampling: Sampling
  readonly bias: BiasMode
  readonly values: readonly number[]
  readonly cuts: readonly { readonly policy: string; readonly rank: number }[]
}

/** ‖V*_b‖ for batches that grow row by row, of one draw: each holds the one before. */
export interface NormPath {
  readonly seed: number
  readonly sampling: Sampling
  readonly points: readonly { readonly batchSize: number; readonly norm: number }[]
}

/** All that a study finds. */
export interface Study {
  readonly version: 1
  readonly model: string
  readonly layer: string
  /** m */
  readonly inFeatures: number
  /** n, the outputs of the layer. */
  readonly classes: number
  readonly train: StudyData
  readonly validation: StudyData
  readonly batchSizes: readonly number[]
  readonly seeds: readonly number[]
  readonly solver: Solver
  readonly normBefore: number
  readonly before: StudyScore
  readonly rows: readonly StudyRow[]
  /** Rows of the same form for other ways to shrink V, each made from the row of the first variant; [] without `controls`. */
  readonly controls: readonly StudyRow[]
  readonly summaries: readonly StudySummary[]
  readonly spectra: readonly StudySpectrum[]
  readonly paths: readonly NormPath[]
  /** Of the passes over the images, and of all the shifts. */
  readonly milliseconds: { readonly features: number; readonly rows: number }
}
