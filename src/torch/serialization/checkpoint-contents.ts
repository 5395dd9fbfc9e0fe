import { clipped, nearest, SosError } from '../../base/index.js'
import { InertObject, PickledTensor, PickleGlobal, type PickleValue } from './pickle-values.js'

/**
 * Selects the dict of tensors in the value of a pickle.
 *
 * @param file the name of the file, for messages
 * @param key the key of the dict, as in {@link LoadStateDictOptions}; undefined for the whole value
 * @throws `ERR_NOT_STATE_DICT`; `ERR_UNSAFE_PICKLE` when an object of an unknown class is among the tensors
 */
export function selectTensors(
  file: string,
  value: PickleValue,
  key: string | undefined,
): Map<string, PickledTensor> {
  if (key === undefined) return toTensors(file, value, key, value)
  const found = valueAt(value, key)
  if (found !== undefined) return toTensors(file, found, key, value)
  const near = nearest(key, paths(value)).map((path) => `'${path}'`)
  throw new SosError(
    'ERR_NOT_STATE_DICT',
    `${file}: expected the key '${key}' but there is none${near.length > 0 ? `; did you mean ${near.join(', ')}?` : '.'} The file holds ${describeContents(value)}`,
  )
}

/**
 * Describes a model that was pickled as a whole, or a dict with such a model. The text continues "this" or "it". Undefined for other values.
 */
export function pickledModule(value: PickleValue): string | undefined {
  const entries: Iterable<[PickleValue, PickleValue]> = value instanceof Map ? value : [[null, value]]
  for (const [name, element] of entries) {
    if (!(element instanceof InertObject && element.isModule)) continue
    const holds = element === value ? 'is' : `holds under ${shownKey(name)}`
    return `${holds} a pickled module of the class ${clipped(element.name)}, which torch.save(model, FILE) wrote and only Python can read, with the code of the class; in Python, save the weights with torch.save(model.state_dict(), FILE), or the model with torch.jit.script(model).save(FILE)`
  }
  return undefined
}

function toTensors(
  file: string,
  value: PickleValue,
  key: string | undefined,
  whole: PickleValue,
): Map<string, PickledTensor> {
  const entries: [PickleValue, PickleValue][] = value instanceof Map ? [...value] : [[null, value]]
  const tensors = new Map<string, PickledTensor>()
  for (const [name, element] of entries) {
    if (typeof name === 'string' && element instanceof PickledTensor) tensors.set(name, element)
  }
  if (tensors.size === entries.length) return tensors
  const what = key === undefined ? 'the file' : `'${key}'`
  const found = paths(whole, true)
  const path = found.find((one) => one.startsWith(`${key}.`)) ?? found[0]
  const hint = path === undefined || path === '' ? '' : `; load it with { key: '${path}' }`
  const module = path === undefined ? pickledModule(value) : undefined
  if (module !== undefined) {
    const which = key === undefined ? 'weights but this' : `weights under ${what} but it`
    throw new SosError('ERR_NOT_STATE_DICT', `${file}: expected ${which} ${module}`)
  }
  const unread = entries.find(([, element]) => unreadName(element) !== undefined)
  if (unread !== undefined && path === undefined) {
    const name = typeof unread[0] === 'string' ? `its ${shownKey(unread[0])}` : what
    throw new SosError(
      'ERR_UNSAFE_PICKLE',
      `${file}: ${name} is made by ${unreadName(unread[1])}, which is neither data nor a tensor of a known kind. Such files can run any program when Python loads them, so only weights are read; save them again with torch.save(model.state_dict(), FILE)`,
    )
  }
  throw new SosError(
    'ERR_NOT_STATE_DICT',
    `${file}: expected ${what} to hold tensors by their names but it holds ${describeContents(value)}${hint}`,
  )
}

/** The value at a path of keys. A key may itself contain dots, so the longest key is tried first. */
function valueAt(value: PickleValue, path: string): PickleValue | undefined {
  const direct = childOf(value, path)
  if (direct !== undefined) return direct
  for (let dot = path.lastIndexOf('.'); dot !== -1; dot = dot === 0 ? -1 : path.lastIndexOf('.', dot - 1)) {
    const inner = childOf(value, path.slice(0, dot))
    const found = inner === undefined ? undefined : valueAt(inner, path.slice(dot + 1))
    if (found !== undefined) return found
  }
  return undefined
}

function childOf(value: PickleValue, key: string): PickleValue | undefined {
  if (value instanceof Map && value.has(key)) return value.get(key)
  if (!/^\d{1,9}$/.test(key)) return undefined
  if (value instanceof Map) return value.get(Number(key))
  return Array.isArray(value) ? value[Number(key)] : undefined
}

/** How deep weights are searched for in a checkpoint. No known checkpoint has them deeper. */
const deepest = 4
const mostVisited = 10_000

/** The paths of the dicts in a value, nearest first. With `ofTensors`, only of dicts that hold only tensors, and at least one. */
function paths(value: PickleValue, ofTensors = false): string[] {
  const found: string[] = []
  const seen = new Set<PickleValue>([value])
  let level: [path: string, value: PickleValue][] = [['', value]]
  for (let depth = 0; depth < deepest; depth++) {
    const next: typeof level = []
    for (const [path, container] of level) {
      if (ofTensors ? holdsOnlyTensors(container) : path !== '') found.push(path)
      const entries =
        container instanceof Map ? container : Array.isArray(container) ? container.entries() : []
      for (const [key, element] of entries) {
        const named = typeof key === 'string' ? key.length <= 100 : Number.isSafeInteger(key)
        if (!named || seen.has(element) || seen.size > mostVisited) continue
        if (!(element instanceof Map || Array.isArray(element) || element instanceof InertObject)) continue
        seen.add(element)
        next.push([path === '' ? String(key) : `${path}.${key}`, element])
      }
    }
    level = next
  }
  return found
}

function holdsOnlyTensors(value: PickleValue): boolean {
  if (!(value instanceof Map) || value.size === 0) return false
  for (const [name, element] of value) {
    if (typeof name !== 'string' || !(element instanceof PickledTensor)) return false
  }
  return true
}

/** The name of the class of an object that is not read. Undefined for other values. */
function unreadName(value: PickleValue): string | undefined {
  const unread = value instanceof InertObject || (value instanceof PickleGlobal && value.foreign)
  return unread ? clipped(value.name) : undefined
}

/** Describes a value in messages: `a dict of 'epoch' (int), 'state_dict' (dict of 122)`. */
function describeContents(value: PickleValue): string {
  if (!(value instanceof Map)) return kindOf(value)
  const shown = [...value].slice(0, 12).map(([key, element]) => `${shownKey(key)} (${kindOf(element)})`)
  return `a dict of ${shown.join(', ')}${value.size > shown.length ? ` and ${value.size - shown.length} more` : ''}`
}

/** A key in messages: itself if it is a text or a number, otherwise its kind, since a container may be endless. */
function shownKey(key: PickleValue): string {
  if (typeof key === 'string') return `'${clipped(key)}'`
  return typeof key === 'number' || typeof key === 'bigint' ? clipped(String(key)) : kindOf(key)
}

function kindOf(value: PickleValue): string {
  if (value instanceof PickledTensor) return `tensor [${value.shape.join(', ')}]`
  if (value instanceof InertObject)
    return `${value.isModule ? 'pickled module' : 'object'} ${clipped(value.name)}`
  if (value instanceof Map) return `dict of ${value.size}`
  if (Array.isArray(value)) return `list of ${value.length}`
  return value === null ? 'None' : typeof value === 'object' ? 'object' : typeof value
}
