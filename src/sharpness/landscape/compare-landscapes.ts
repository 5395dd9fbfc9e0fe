import { SosError } from '../../base/index.js'
import type { Dataset, Progress } from '../../data/index.js'
import type { ScriptModule } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import { inFullPrecision } from '../full-precision.js'
import { checkedIndices, type Landscape, type LandscapeOptions, surfacesOf } from './landscape.js'
import { differInLastLayer, expectSameState } from './same-state.js'
import { withoutGradients } from './survey.js'

/** The surfaces of two models on one plane of directions, each around its own weights. */
export interface LandscapeComparison extends Landscape {
  /** Whether the models differ in their last layer only, so that one pass measured both. */
  readonly sharedFeatures: boolean
}

/**
 * Measures the landscapes of two models with the same parameters, as `landscape` does, along the same directions, which
 * have the norms of the first model. If the models differ in their last linear layer only, as before and after a shift,
 * each point takes one forward for both.
 *
 * @param first a classifier
 * @param second a classifier with parameters of the same names and shapes
 * @param data the dataset that the samples are drawn from
 * @param options the grid, the directions, the samples, and how to run
 * @returns the axes and the two surfaces, that of the first model first
 * @throws `ERR_STATE_DICT_MISMATCH` if the parameters have other names or shapes; and what `landscape` throws
 * @example
 * const shifted = await model.clone()
 * await shiftOptimum(shifted, train, { batchSize: 60 })
 * const { surfaces, sharedFeatures } = await compareLandscapes(model, shifted, train, { grid: 3, samples: 4 })
 * console.log(surfaces.length, sharedFeatures) // → 2 true
 */
export async function compareLandscapes(
  first: ScriptModule,
  second: ScriptModule,
  data: Dataset,
  options: LandscapeOptions = {},
): Promise<LandscapeComparison> {
  expectModule('first', first)
  expectModule('second', second)
  const indices = checkedIndices(data, options)
  return await withoutGradients(async () => {
    using before = await inFullPrecision(first)
    using after = await inFullPrecision(second)
    expectSameState(before, after)
    const pair = await differInLastLayer(before, after, data, indices, options)
    if (pair !== null) {
      const landscape = await surfacesOf(before, before, [pair.second], data, indices, options)
      return { ...landscape, sharedFeatures: true }
    }
    const [one, two] = halves(options.onProgress)
    const own = await surfacesOf(before, before, [], data, indices, { ...options, onProgress: one })
    const other = await surfacesOf(after, before, [], data, indices, { ...options, onProgress: two })
    if (other.samples !== own.samples) {
      throw new SosError(
        'ERR_DATASET',
        `${data.name}: expected the same images for both models but ${own.samples}, then ${other.samples} could be read`,
      )
    }
    return { ...own, surfaces: [...own.surfaces, ...other.surfaces], sharedFeatures: false }
  })
}

/** The progress of two equal parts of the work. */
function halves(onProgress?: (progress: Progress) => void) {
  return [0, 1].map((part) =>
    onProgress === undefined
      ? undefined
      : ({ done, total }: Progress) => onProgress({ done: part * total + done, total: 2 * total }),
  )
}
