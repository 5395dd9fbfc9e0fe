import { SosError } from '../../base/index.js'
import { library } from '../shared/library.js'
import type { SharpnessOptions, Subject } from './requests.js'

/**
 * How a trace is measured: image by image; its Gauss-Newton part so and the rest by random vectors, for a Hessian that has another trace; or by
 * random vectors alone.
 */
export type TracePlan = 'images' | 'images and vectors' | 'vectors'

/**
 * Chooses how the trace is measured.
 *
 * @throws `ERR_INVALID_ARGUMENT` if an option asks for what this way does not give
 */
export async function tracePlanOf({ path, model }: Subject, options: SharpnessOptions): Promise<TracePlan> {
  const { isPiecewiseLinear } = await library()
  if (options.operator === 'empirical-fisher') return 'vectors'
  if (options.operator !== 'hessian' || isPiecewiseLinear(model)) return 'images'
  if (options.byLayer) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `--by-layer needs a trace that is measured image by image, but ${path} is not piecewise linear, so that a part of tr(H) is not; take --operator ggn, whose trace is, or leave --by-layer out`,
    )
  }
  return 'images and vectors'
}

/** The number of images if the user names none: more for a trace image by image, which is cheaper than products. */
export function defaultSamples(options: SharpnessOptions, plans: readonly TracePlan[]): number {
  const isByImageAlone = plans.every((plan) => plan === 'images')
  return options.measure.every((measure) => measure === 'trace') && isByImageAlone ? 4096 : 512
}
