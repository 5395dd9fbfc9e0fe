import { SosError, whole as wholeNumber } from '../base/index.js'
import { ScriptObject, Tensor, type Value } from '../torch/index.js'

/**
 * Which item of a model's output is meant, if the output is a tuple, a list, a NamedTuple or a dictionary: its place,
 * counted from 0, or its key or field. For an item of an item both are joined by a dot, for example `aux.0`.
 */
export type OutputItem = number | string

const index = wholeNumber(0)

/** An option of everything that uses the logits of a model. */
export interface OutputOptions {
  /** Which item of the model's output holds the logits. Default: the output is one tensor. */
  output?: OutputItem
}

/** An item with the names that stand for it. */
export interface NamedItem<T> {
  readonly names: readonly string[]
  readonly value: T
}

/** The items of a container; null for a value that is not a container. */
export type ItemsOf<T> = (value: T) => readonly NamedItem<T>[] | null

/**
 * The item that is meant; undefined if there is none. Throws `ERR_INVALID_ARGUMENT` for a name that is neither a place
 * nor a text.
 */
export function itemAt<T>(whole: T, item: OutputItem, itemsOf: ItemsOf<T>): T | undefined {
  if (typeof item !== 'string') index('output, an index or a text,', item)
  const wanted = String(item)
  for (const { names, value } of itemsOf(whole) ?? []) {
    for (const name of names) {
      if (name === wanted) return value
      if (!wanted.startsWith(`${name}.`)) continue
      const found = itemAt(value, wanted.slice(name.length + 1), itemsOf)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/**
 * The output itself, or the item of it that is meant.
 *
 * @throws `ERR_OUTPUT_SHAPE` if the output is a container and no item is named; if it has no item of that name, or the
 *   item is not a tensor; or if an item is named but the output is not a container. The message lists the items
 */
export function outputOf(output: Value, item?: OutputItem): Value {
  const items = itemsOfValue(output)
  if (item === undefined) {
    if (items === null) return output
    throw new SosError(
      'ERR_OUTPUT_SHAPE',
      `expected the model to return one tensor but it returned ${described(output)}; choose the logits by output: ${suggested(items)}`,
    )
  }
  if (items === null) {
    throw new SosError(
      'ERR_OUTPUT_SHAPE',
      `expected a model whose output has an item '${item}' but it returned ${described(output)}; leave out the option output (--output)`,
    )
  }
  const found = itemAt(output, item, itemsOfValue)
  if (found instanceof Tensor) return found
  const came =
    found === undefined
      ? `there is none: it returned ${described(output)}`
      : `it is ${described(found)}${itemsOfValue(found) === null ? '' : `; an item of it is '${item}.' and its name`}`
  throw new SosError(
    'ERR_OUTPUT_SHAPE',
    `expected a tensor as item '${item}' of the model's output, which the option output (--output) names, but ${came}`,
  )
}

/** Describes what a model returned, for a message: `a tuple of 2: 0 (float32 [64, 10]), 1 (None)`. */
export function described(value: Value): string {
  if (value instanceof Tensor) return `a tensor ${shapeOf(value)}`
  const items = itemsOfValue(value)
  if (items !== null) {
    const kind = value instanceof Map ? 'dictionary' : 'tuple or list'
    return items.length === 0 ? `an empty ${kind}` : `a ${kind} of ${items.length}: ${listed(items)}`
  }
  if (value === null || value === undefined) return 'None'
  return value instanceof ScriptObject ? `an object of ${value.type}` : `a ${typeof value}`
}

const itemsOfValue: ItemsOf<Value> = (value) => {
  if (Array.isArray(value)) {
    // The fields of a NamedTuple are properties beside its elements.
    const fields = Object.getOwnPropertyNames(value).filter((name) => !/^(length|\d+)$/.test(name))
    return value.map((element, i) => ({ names: [String(i), ...fields.slice(i, i + 1)], value: element }))
  }
  if (!(value instanceof Map)) return null
  return [...value].map(([key, element]) => ({
    names: key instanceof Tensor ? [] : [String(key)],
    value: element,
  }))
}

function listed(items: readonly NamedItem<Value>[]): string {
  const most = 12
  const shownItems = items.slice(0, most).map(({ names, value }) => `${named(names)} (${briefly(value)})`)
  return [...shownItems, ...(items.length > most ? [`and ${items.length - most} more`] : [])].join(', ')
}

function briefly(value: Value): string {
  return value instanceof Tensor ? shapeOf(value) : described(value)
}

/** The item as one would write it for `output`. */
function named(names: readonly string[]): string {
  const each = names.map((name) => (/^\d+$/.test(name) ? name : `'${name}'`))
  return each.length === 0 ? 'a tensor as key' : each.join(' or ')
}

/** How to name an item that could be the logits. */
function suggested(items: readonly NamedItem<Value>[]): string {
  const matrices = items.filter(({ value }) => value instanceof Tensor && value.ndim === 2)
  const spoken = matrices.filter(({ names }) =>
    names.some((name) => /logit|score|class|cls|pred/i.test(name)),
  )
  const likely = spoken.length === 1 ? spoken : matrices.length > 0 ? matrices : items.slice(0, 1)
  if (likely.length > 1) {
    const keys = likely.slice(0, 6).flatMap(({ names }) => names.slice(-1))
    return `one of ${keys.map((key) => named([key])).join(', ')} (as --output ${keys[0]})`
  }
  const name = likely[0]?.names.at(-1)
  return name === undefined ? 'INDEX or KEY (--output INDEX|KEY)' : `${named([name])} (--output ${name})`
}

const shapeOf = ({ dtype, shape }: Tensor): string => `${dtype} [${shape.join(', ')}]`

/** The tensors in a model's output, however its tuples, lists and dictionaries are nested. */
export function tensorsIn(value: unknown): Tensor[] {
  if (value instanceof Tensor) return [value]
  if (Array.isArray(value) || value instanceof Map) return [...value.values()].flatMap(tensorsIn)
  if (value !== null && typeof value === 'object') return Object.values(value).flatMap(tensorsIn)
  return []
}
