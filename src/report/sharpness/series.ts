import { colourOf, type Entry } from '../framed.js'
import type { ModelSharpness, SharpnessRecord } from './record.js'

/** One of the models of a record. */
export interface Series extends Entry {
  readonly of: ModelSharpness
}

/** The models of a record, each with its name and colour: the first, and the one that is compared with it. */
export function seriesOf(record: SharpnessRecord): Series[] {
  const models = [record, ...(record.compare === undefined ? [] : [record.compare])]
  const short = models.map(({ model }) => model.split('/').at(-1)!)
  const isPlain = new Set(short).size === models.length
  return models.map((of, i) => ({
    name: isPlain ? short[i]! : i === 0 ? `${of.model} (first)` : `${of.model} (second)`,
    colour: colourOf(i),
    of,
  }))
}

const matrices = {
  hessian: { symbol: 'H', name: 'the Hessian' },
  ggn: { symbol: 'G', name: 'the generalised Gauss-Newton matrix' },
  fisher: { symbol: 'F', name: 'Fisher’s information matrix' },
  'empirical-fisher': { symbol: 'E', name: 'the empirical Fisher matrix' },
}

/** What a matrix is called in formulas and in words. */
export function matrixOf({ operator, parameters }: SharpnessRecord): { symbol: string; name: string } {
  const { symbol, name } = matrices[operator]
  return { symbol, name: parameters === undefined ? name : `${name} of the parameters ${parameters}` }
}
