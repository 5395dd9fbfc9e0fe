import type { ArgumentSource, DataFlow, ScriptModule } from '../../torch/index.js'
import { type ItemsOf, itemAt, type OutputItem } from '../model-output.js'

/** A tensor among those that a model returns, as its graph shows them. */
export interface OutputPart {
  readonly source: ArgumentSource
  /** Its place in the output, for example `[0]` or `['logits']`; empty if it is the whole output. */
  readonly at: string
}

/** The tensors in a tuple, a list or a dictionary; the value itself if it is none of these. */
export function outputParts(source: ArgumentSource, at = ''): OutputPart[] {
  const { items, entries, value } = source
  if (items !== undefined) return items.flatMap((item, i) => outputParts(item, `${at}[${i}]`))
  if (entries !== undefined) {
    return entries.flatMap((entry, i) => {
      if (i % 2 === 0) return []
      const key = entries[i - 1]!.value
      return outputParts(entry, `${at}[${key === undefined ? '?' : `'${key}'`}]`)
    })
  }
  return value === undefined ? [{ source, at }] : []
}

/** The item of a model's output that is meant; null if its graph shows no such item. */
export function outputPart(model: ScriptModule, { result }: DataFlow, item: OutputItem): OutputPart | null {
  const type = returnType(model.graph('forward', { inlined: true }))
  // If conditions at run time choose the output, each choice must have the item.
  const ways = result.choices ?? [result]
  const found = ways.map((source) => itemAt<Typed>({ source, type }, item, itemsOf)?.source)
  if (found.length === 0 || found.includes(undefined)) return null
  const choices = found as ArgumentSource[]
  return { source: choices.length === 1 ? choices[0]! : { choices }, at: `['${item}']` }
}

interface Typed {
  readonly source: ArgumentSource
  /** The type as TorchScript writes it. It contains the names of a NamedTuple's fields. */
  readonly type: string
}

const itemsOf: ItemsOf<Typed> = ({ source: { items, entries }, type }) => {
  if (items !== undefined) {
    const types = elementTypes(type)
    return items.map((source, i) => {
      const { field, of = '' } = types[i] ?? {}
      return { names: [String(i), ...(field === undefined ? [] : [field])], value: { source, type: of } }
    })
  }
  if (entries === undefined) return null
  const types = elementTypes(type)
  return entries.flatMap((source, i) => {
    if (i % 2 === 0) return []
    const key = entries[i - 1]!.value
    return {
      names: key === undefined ? [] : [String(key)],
      value: { source, type: types[1]?.of ?? '' },
    }
  })
}

/** The type of what a graph returns, with the rest of its line. */
function returnType(graph: string): string {
  const value = /\n {2}return \((%[^\s)]+)\)/.exec(graph)?.[1]
  const at = value === undefined ? -1 : graph.lastIndexOf(`${value} : `)
  return at < 0 ? '' : graph.slice(at + `${value} : `.length, graph.indexOf('\n', at))
}

/** The parts of `(A, B)`, `NamedTuple(a : A, b : B)` or `Dict(K, V)`, with which the text begins. */
function elementTypes(type: string): { field?: string; of: string }[] {
  const start = /^(NamedTuple|Dict)?\(/.exec(type)?.[0].length
  if (start === undefined) return []
  const parts: string[] = ['']
  for (let i = start, depth = 0; i < type.length; i++) {
    const letter = type[i]!
    if (depth === 0 && letter === ')') break
    if ('(['.includes(letter)) depth++
    if (')]'.includes(letter)) depth--
    if (depth === 0 && letter === ',') parts.push('')
    else parts[parts.length - 1] += letter
  }
  return parts.map((part) => {
    const [, field, of] = /^\s*(\w+) : (.*)$/s.exec(part) ?? []
    return field === undefined ? { of: part.trim() } : { field, of: of! }
  })
}
