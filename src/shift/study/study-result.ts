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
  /** The name of the dataset. */
  readonly dataset: string
  /** The number of images that took part. */
  readonly images: number
  /** The number of images that could not be read, if that was allowed. */
  readonly skipped: number
}

/** How well a classifier does on the validation images. */
export interface StudyScore {
  /** Top-1 accuracy, in per cent. */
  readonly top1: number
  /** Top-5 accuracy, in per cent; null if there are fewer than five classes. */
  readonly top5: number | null
  /** The mean cross-entropy, in nats. */
  readonly loss: number
  /** The expected calibration error, from 0 to 1. */
  readonly calibrationError: number
  /** The bins of the reliability diagram. */
  readonly reliability: readonly ReliabilityBin[]
}

/** McNemar's exact test on the same images before and after. */
export interface PairedTest {
  /** The number of images that only the original model classifies correctly. */
  readonly onlyBefore: number
  /** The number of images that only the shifted model classifies correctly. */
  readonly onlyAfter: number
  /** The two-sided p-value of this comparison alone. */
  readonly pValue: number
  /**
   * The p-value after Holm's correction for all shifts of the study. Below 0.05 the difference may be called
   * significant. Those of controls are not corrected.
   */
  readonly adjustedPValue: number
}

/**
 * How far the logits of the validation images move, as the layer computes them, and how far they would have to move to
 * change a class.
 */
export interface StudyDrift extends LogitCertificate {
  /**
   * For images spread evenly over the dataset: max |Δzᵢ − Δzⱼ|, and the margin between the two largest logits before.
   */
  readonly sample: readonly { readonly drift: number; readonly margin: number }[]
}

/** How the weights of a row were made: by optimum shifting, or by one of the controls. */
export type StudyMethod = 'shift' | Control

/** What distinguishes the rows of one batch size and one draw. */
export interface StudyVariant {
  /** How the weights were made. */
  readonly method: StudyMethod
  /** The rank policy, for example `logits:0.001`. */
  readonly policy: string
  /** How the batch was drawn. */
  readonly sampling: Sampling
  /** What became of the bias. */
  readonly bias: BiasMode
}

/** One shift, or one control. Each starts from the original V. */
export interface StudyRow extends StudyVariant {
  /** b, the number of images in the batch. */
  readonly batchSize: number
  /**
   * The seed of the draw. `sos shift` with the same seed, size and policy writes exactly this model, unless the row is
   * `rolledBack`.
   */
  readonly seed: number
  /** r; null if the method or the solver has no rank. */
  readonly rank: number | null
  /** λ of the control `ridge`, which is 0 if the control is the shift itself; null for all other rows. */
  readonly lambda: number | null
  /**
   * σ₁, σ_r and σ_{r+1} of A, or of its centred or augmented form; null if the method or the solver does not compute
   * them.
   */
  readonly singularValues: CutValues | null
  /** Whether V* is V up to rounding: the batch spans all inputs. */
  readonly identity: boolean
  /**
   * Why `sos shift` would not write this model: logits of the batch move further than the policy allows, or the norm
   * grows. Null if it would, and for controls.
   */
  readonly rolledBack: string | null
  /** ‖V‖ and ‖V*‖, Frobenius. */
  readonly normBefore: number
  /** ‖V*‖, the Frobenius norm of the weight as the layer stores it. */
  readonly normAfter: number
  /** The largest change of a logit of the batch, in the layer's dtype. */
  readonly batchLogitChange: number
  /** The number of classes that the batch has images of. */
  readonly classesCovered: number
  /**
   * The classes of the validation images that the batch has no image of, how many images they have, and the accuracy on
   * these, in per cent. Null if there are none.
   */
  readonly unseen: {
    readonly classes: number
    readonly images: number
    /** In per cent. */
    readonly top1Before: number
    readonly top1After: number
  } | null
  /** How well these weights do on the validation images. */
  readonly score: StudyScore
  /** The comparison with the original model. */
  readonly test: PairedTest
  /** How far the logits of the validation images move. */
  readonly drift: StudyDrift
  /** What may make these figures misleading, in sentences. */
  readonly warnings: readonly string[]
}

/** The draws of one batch size and one variant together. */
export interface StudySummary extends StudyVariant {
  /** b, the number of images in each batch. */
  readonly batchSize: number
  /** The number of draws. */
  readonly draws: number
  /** Top-1 accuracy, in per cent. */
  readonly top1: Spread
  /** Top-5 accuracy, in per cent; null if there are fewer than five classes. */
  readonly top5: Spread | null
  /** The mean cross-entropy. */
  readonly loss: Spread
  /** The expected calibration error. */
  readonly calibrationError: Spread
  /** r; null if the method or the solver has no rank. */
  readonly rank: Spread | null
  /** ‖V*‖, the Frobenius norm. */
  readonly norm: Spread
  /** The largest |Δz| of a logit of the validation images. */
  readonly logitChange: Spread
  /** The share of validation images whose predicted class cannot change, by their margin. */
  readonly marginSafeShare: Spread
  /** The number of images that only the original model classifies correctly. */
  readonly onlyBefore: Spread
  /** The number of images that only the shifted model classifies correctly. */
  readonly onlyAfter: Spread
  /** The smallest and the largest p-value of the draws, each of its own comparison. */
  readonly pValues: { readonly smallest: number; readonly largest: number }
  /** The number of draws whose adjusted p-value is below 0.05. */
  readonly significantDraws: number
  /** The number of classes that a batch has images of. */
  readonly classesCovered: Spread
  /** The number of classes of the validation images that a batch has no image of. */
  readonly classesUnseen: Spread
  /** The number of draws whose shift is the identity. */
  readonly identities: number
  /** The number of draws of the control `ridge` that are the shift itself, since λ = 0. */
  readonly undamped: number
  /** The number of draws whose shift would not be written. */
  readonly rolledBack: number
}

/** The singular values of the first draw of a batch size, and where each policy cuts them. */
export interface StudySpectrum {
  /** b, the number of images in the batch. */
  readonly batchSize: number
  /** The seed of the draw. */
  readonly seed: number
  /** How the batch was drawn. */
  readonly sampling: Sampling
  /** What becomes of the bias: A is centred or augmented accordingly. */
  readonly bias: BiasMode
  /** The singular values of A, in descending order. */
  readonly values: readonly number[]
  /** The rank that each policy keeps. */
  readonly cuts: readonly { readonly policy: string; readonly rank: number }[]
}

/** ‖V*_b‖ for batches that grow row by row, of one draw: each batch contains the one before. */
export interface NormPath {
  /** The seed of the draw. */
  readonly seed: number
  /** How the batch was drawn. */
  readonly sampling: Sampling
  /** The norms for growing batches. */
  readonly points: readonly { readonly batchSize: number; readonly norm: number }[]
}

/** Everything that a study found. */
export interface Study {
  /** The version of this form. */
  readonly version: 1
  /** The file of the model. */
  readonly model: string
  /** The path of the layer. */
  readonly layer: string
  /** m, the inputs of the layer. */
  readonly inFeatures: number
  /** n, the outputs of the layer. */
  readonly classes: number
  /** The training images that were used. */
  readonly train: StudyData
  /** The validation images that were used. */
  readonly validation: StudyData
  /** The batch sizes, in ascending order. */
  readonly batchSizes: readonly number[]
  /** The seeds of the draws. */
  readonly seeds: readonly number[]
  /** The solver of all shifts. */
  readonly solver: Solver
  /** ‖V‖, the Frobenius norm. */
  readonly normBefore: number
  /** How well the original model does on the validation images. */
  readonly before: StudyScore
  /** Every shift. */
  readonly rows: readonly StudyRow[]
  /**
   * Rows of the same form for other ways to shrink V, each made from a row of the first variant; empty without the
   * option `controls`.
   */
  readonly controls: readonly StudyRow[]
  /** The rows and the controls, with the draws of each batch size and variant together. */
  readonly summaries: readonly StudySummary[]
  /** The singular values of each batch size. */
  readonly spectra: readonly StudySpectrum[]
  /** How the norm grows with the batch. */
  readonly paths: readonly NormPath[]
  /** How long the passes over the images took, and all the shifts. */
  readonly milliseconds: { readonly features: number; readonly rows: number }
}
