import { meanWithError } from '../../base/index.js'
import type { AverageSharpness, WorstCaseSharpness } from '../../sharpness/index.js'
import { library } from '../shared/library.js'
import { withProgress } from '../shared/progress.js'
import type { SharpnessOptions, Subject } from './requests.js'

/** The largest rise of the loss that is found in the ball around the weights. */
export async function worstCaseOf(
  { path, model, dataset }: Subject,
  samples: number,
  options: SharpnessOptions,
): Promise<WorstCaseSharpness> {
  const { worstCaseSharpness } = await library()
  const { ascentSteps: steps } = options
  return withProgress(`worst case ${path}`, (onProgress) =>
    worstCaseSharpness(model, dataset, {
      ...settingsOf(options, samples),
      ...(steps !== undefined && { steps }),
      onProgress,
    }),
  )
}

/** The mean rise of the loss in random directions. */
export async function averageOf(
  { path, model, dataset }: Subject,
  samples: number,
  options: SharpnessOptions,
): Promise<AverageSharpness> {
  const { averageSharpness } = await library()
  const { directions: probes } = options
  return withProgress(`average ${path}`, (onProgress) =>
    averageSharpness(model, dataset, {
      ...settingsOf(options, samples),
      ...(probes !== undefined && { probes }),
      onProgress,
    }),
  )
}

function settingsOf(options: SharpnessOptions, samples: number) {
  const { device, outputs, output, chunk, seed, rho, adaptive = false, parameters } = options
  return {
    ...{ device, outputs, seed, adaptive, samples },
    ...(chunk !== undefined && { chunk }),
    ...(output !== undefined && { output }),
    ...(rho !== undefined && { rho }),
    ...(parameters !== undefined && { parameters }),
  }
}

/** A worst case as the record has it. */
export function worstCaseResult(found: WorstCaseSharpness) {
  const { gradientNorm, perStep } = found
  return { ...riseOf(found), steps: perStep.length, gradientNorm }
}

/** An average as the record has it. */
export function averageResult(found: AverageSharpness) {
  const { probeStandardError, probes } = found
  return { ...riseOf(found), probeStandardError, probes }
}

function riseOf(found: WorstCaseSharpness | AverageSharpness) {
  const { sharpness, standardError, loss, rho, adaptive, samples } = found
  return { value: sharpness, standardError: known(standardError), loss, rho, adaptive, samples }
}

/** The difference of the rises of two models, paired over the images: the second less the first. */
export function riseDifference(first: readonly number[], second: readonly number[]) {
  const { mean, standardError } = meanWithError(second.map((value, i) => value - first[i]!))
  return { value: mean, standardError: known(standardError) }
}

/** The standard error of an average difference over the directions, which both models share. */
export function directionError(first: AverageSharpness, second: AverageSharpness): number {
  return meanWithError(second.perProbe.map((value, i) => value - first.perProbe[i]!)).standardError
}

/** One image has no standard error. */
const known = (error: number): number | null => (Number.isFinite(error) ? error : null)
