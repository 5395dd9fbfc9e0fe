/** What traces were measured on, and how. */
export interface ImageSample {
  /** The matrix is size × size: the number of parameters that count. */
  readonly size: number
  /** The number of draws that were asked for. */
  readonly samples: number
  /** The indices of the images in the dataset, each once: fewer than `samples` if images were drawn several times. */
  readonly indices: readonly number[]
  /** The weight of each image: the trace is the mean of weight · value. 1 for uniform draws. */
  readonly weights: readonly number[]
  /** `exact` if each image's value is exact, otherwise the number of random combinations for each image. */
  readonly probes: number | 'exact'
  /** What makes the trace of the Hessian a different number, for example `aten::gelu`; null if it is the same number. */
  readonly curvedBy: string | null
  /**
   * Why the images were taken one at a time, which is slower: a parameter whose layer has no rule, or a layer whose rule does not hold. Null if
   * they were taken together.
   */
  readonly oneByOne: string | null
  /** The names of the parameters that are left out: they require no gradient, or none reaches them. */
  readonly withoutGradient: readonly string[]
}
