import { InvalidArgumentError } from 'commander'
import { SosError } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import type { OutputKind } from '../../model/index.js'
import type { ScriptModule } from '../../torch/index.js'
import type { ModelOptions } from '../shared/options.js'

const measures = ['trace', 'eigenvalues', 'density'] as const

/** What `sos sharpness` can measure. */
export type Measure = (typeof measures)[number]

export const operators = ['hessian', 'ggn', 'fisher', 'empirical-fisher'] as const

/** The options of `sos sharpness`. */
export interface SharpnessOptions extends ModelOptions {
  compare?: string
  measure: Measure[]
  operator: (typeof operators)[number]
  parameters?: string
  samples?: number
  probes?: number
  top?: number
  tolerance?: number
  maxProducts?: number
  densityProbes?: number
  densitySteps?: number
  seed: number
  outputs: OutputKind
  chunk: number
  report?: string
}

/** A model that is to be measured, with the dataset in the order of its outputs. */
export interface Subject {
  readonly path: string
  readonly model: ScriptModule
  readonly dataset: Dataset
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
const needs: readonly [option: keyof SharpnessOptions, flag: string, measure: Measure][] = [
  ['probes', '--probes', 'trace'],
  ['top', '--top', 'eigenvalues'],
  ['tolerance', '--tolerance', 'eigenvalues'],
  ['maxProducts', '--max-products', 'eigenvalues'],
  ['densityProbes', '--density-probes', 'density'],
  ['densitySteps', '--density-steps', 'density'],
]

/** Says which options contradict one another, in a sentence; undefined if none do. */
export function contradiction(options: SharpnessOptions): string | undefined {
  for (const [option, flag, measure] of needs) {
    if (options[option] === undefined || options.measure.includes(measure)) continue
    return `${flag} is for the measure ${measure}, which is not asked for; add ${measure} to --measure, or leave ${flag} out`
  }
  return undefined
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
