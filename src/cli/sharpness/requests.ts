import { InvalidArgumentError } from 'commander'
import { SosError } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import type { OutputKind } from '../../model/index.js'
import type { ImageSampling } from '../../sharpness/index.js'
import type { ScriptModule } from '../../torch/index.js'
import { type ModelOptions, wholeNumber } from '../shared/options.js'

const measures = ['trace', 'eigenvalues', 'density', 'worst-case', 'average'] as const

/** What `sos sharpness` can measure. */
export type Measure = (typeof measures)[number]

/** Those that are properties of a matrix. */
export const matrixMeasures: readonly Measure[] = ['trace', 'eigenvalues', 'density']

export const operators = ['hessian', 'ggn', 'fisher', 'empirical-fisher'] as const

/** The options of `sos sharpness`. */
export interface SharpnessOptions extends ModelOptions {
  compare?: string
  measure: Measure[]
  operator: (typeof operators)[number]
  parameters?: string
  samples?: number
  probes?: number | 'exact'
  byLayer?: true
  sampling?: ImageSampling
  top?: number
  tolerance?: number
  maxProducts?: number
  resume?: string
  densityProbes?: number
  densitySteps?: number
  rho?: number
  adaptive?: true
  ascentSteps?: number
  directions?: number
  seed: number
  outputs: OutputKind
  chunk?: number
  report?: string
}

/** A model that is to be measured, with the dataset in the order of its outputs. */
export interface Subject {
  readonly path: string
  readonly model: ScriptModule
  readonly dataset: Dataset
}

/** Parses a number of probes, or `exact`. */
export function probesOrExact(text: string): number | 'exact' {
  if (text === 'exact') return text
  try {
    return wholeNumber(1, 1_000_000)(text)
  } catch {
    throw new InvalidArgumentError('Expected a whole number from 1 to 1000000, or exact.')
  }
}

/** Parses a list of measures. */
export function listOfMeasures(text: string): Measure[] {
  return text.split(',').map((part) => {
    const found = measures.find((measure) => measure === part)
    if (found !== undefined) return found
    throw new InvalidArgumentError(`Expected one or several of ${measures.join(', ')}, separated by commas.`)
  })
}

/** Options that have a meaning only with a certain measure. */
const needs: readonly [option: keyof SharpnessOptions, flag: string, ...measures: Measure[]][] = [
  ['probes', '--probes', 'trace'],
  ['byLayer', '--by-layer', 'trace'],
  ['sampling', '--sampling', 'trace'],
  ['top', '--top', 'eigenvalues'],
  ['tolerance', '--tolerance', 'eigenvalues'],
  ['maxProducts', '--max-products', 'eigenvalues'],
  ['resume', '--resume', 'eigenvalues'],
  ['densityProbes', '--density-probes', 'density'],
  ['densitySteps', '--density-steps', 'density'],
  ['rho', '--rho', 'worst-case', 'average'],
  ['adaptive', '--adaptive', 'worst-case', 'average'],
  ['ascentSteps', '--ascent-steps', 'worst-case'],
  ['directions', '--directions', 'average'],
]

/** Says which options contradict one another, in a sentence; undefined if none do. */
export function contradiction(options: SharpnessOptions): string | undefined {
  for (const [option, flag, ...wanted] of needs) {
    if (options[option] === undefined || wanted.some((measure) => options.measure.includes(measure))) continue
    const all = wanted.join(' or ')
    return `${flag} is for the measure ${all}, which is not asked for; add ${all} to --measure, or leave ${flag} out`
  }
  if (
    options.operator !== 'hessian' &&
    !matrixMeasures.some((measure) => options.measure.includes(measure))
  ) {
    return `--operator names a matrix, and no measure of a matrix is asked for; add ${matrixMeasures.join(', ')} to --measure, or leave --operator out`
  }
  if (options.operator === 'empirical-fisher' && options.measure.includes('trace')) {
    const wrong = byImageOnly(options)
    if (wrong !== undefined)
      return `${wrong} is for a trace that is measured image by image, and that of the empirical Fisher matrix is estimated by random vectors; leave ${wrong} out`
  }
  return undefined
}

/** An option that random vectors do not have, if it is given. */
function byImageOnly({ byLayer, sampling, probes }: SharpnessOptions): string | undefined {
  if (byLayer) return '--by-layer'
  if (sampling === 'confidence') return '--sampling confidence'
  return probes === 'exact' || probes === 1 ? `--probes ${probes}` : undefined
}

/** Throws if two models have different numbers of parameters. */
export function expectSameSize(first: Subject, second: Subject): void {
  const [size, other] = [first, second].map(({ model }) =>
    model.parameters().reduce((sum, parameter) => sum + parameter.numel(), 0),
  )
  if (size === other) return
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `--compare needs two models with the same parameters, but ${first.path} has ${size} and ${second.path} has ${other}; measure them one by one`,
  )
}
