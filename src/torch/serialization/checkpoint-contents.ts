import { clipped, nearest, SosError } from '../../base/index.js'
import { InertObject, PickledTensor, PickleGlobal, type PickleValue } from './pickle-values.js'

/**
 * The dict of tensors in what a pickle held.
 *
 * @param file its name, for messages
 * @param key where it is in there, as {@link LoadStateDictOptions} says; undefined for the whole
 * @throws `ERR_NOT_STATE_DICT`; `ERR_UNSAFE_PICKLE` where an object that is not read stands among the tensors
 */
export function selectTensors(
  file: string,
  value: PickleValue,
  key: string | undefined,
): Map<string, PickledTensor> {
  if (key === undefined) return toTensors(file, value, 'the file', value)
  const found = at(value, key)
  if (found !== undefined) return toTensors(file, found, `'${key}'`, value)
  const near = nearest(key, paths(value)).map((path) => `'${path}'`)
  throw new SosError(
    'ERR_NOT_STATE_DICT',
    `${file}: it has no key '${key}'; ${near.length > 0 ? `did you mean ${near.join(', ')}? ` : ''}It holds ${contents(value)}`,
  )
}

/** That a value is a model that was pickled whole, or a dict of some: continues "this" or the like. Undefined for what is none. */
export function pickledModule(value: PickleValue): string | undefined {
  const entries: Iterable<[PickleValue, PickleValue]> = value instanceof Map ? value : [[null, value]]
  for (const [name, element] of entries) {
    if (!(element instanceof InertObject && element.isModule)) continue
    const holds = element === value ? 'is' : `holds under ${shownKey(name)}`
    return `${holds} a pickled module of the class ${clipped(element.name)}, as torch.save(model, FILE) writes, which only Python reads, with the code of its class; there, write its weights by torch.save(model.state_dict(), FILE), or all of it by torch.jit.script(model).save(FILE)`
  }
  return undefined
}

function toTensors(
  file: string,
  value: PickleValue,
  what: string,
  whole: PickleValue,
): Map<string, PickledTensor> {
  const entries: [PickleValue, PickleValue][] = value instanceof Map ? [...value] : [[null, value]]
  const tensors = new Map<string, PickledTensor>()
  for (const [name, element] of entries) {
    if (typeof name === 'string' && element instanceof PickledTensor) tensors.set(name, element)
  }
  if (tensors.size === entries.length) return tensors
  const [path] = paths(whole, true)
  const hint = path === undefined || path === '' ? '' : `; load it with { key: '${path}' }`
  const module = path === undefined ? pickledModule(value) : undefined
  if (module !== undefined) {
    const which = what === 'the file' ? 'weights but this' : `weights under ${what} but it`
    throw new SosError('ERR_NOT_STATE_DICT', `${file}: expected ${which} ${module}`)
  }
  const unread = entries.find(([, element]) => unreadName(element) !== undefined)
  if (unread !== undefined && path === undefined) {
    const name = typeof unread[0] === 'string' ? `its ${shownKey(unread[0])}` : what
    throw new SosError(
      'ERR_UNSAFE_PICKLE',
      `${file}: ${name} is made by ${unreadName(unread[1])}, which is neither data nor a tensor of a known kind; files like this can run any program when Python loads them, so only weights are read: save them again with torch.save(model.state_dict(), FILE)`,
    )
  }
  throw new SosError(
    'ERR_NOT_STATE_DICT',
    `${file}: expected ${what} to hold tensors by their names but it holds ${contents(value)}${hint}`,
  )
}

/** What a path of keys leads to: a dict's key may itself have dots, so that the longest comes first. */
function at(value: PickleValue, path: string): PickleValue | undefined {
  const whole = child(value, path)
  if (whole !== undefined) return whole
  for (let dot = path.lastIndexOf('.'); dot !== -1; dot = dot === 0 ? -1 : path.lastIndexOf('.', dot - 1)) {
    const inner = child(value, path.slice(0, dot))
    const found = inner === undefined ? undefined : at(inner, path.slice(dot + 1))
    if (found !== undefined) return found
  }
  return undefined
}

function child(value: PickleValue, key: string): PickleValue | undefined {
  if (value instanceof Map && value.has(key)) return value.get(key)
  if (!/^\d{1,9}$/.test(key)) return undefined
  if (value instanceof Map) return value.get(Number(key))
  return Array.isArray(value) ? value[Number(key)] : undefined
}

/** How far is looked for weights in a checkpoint: deeper than any has them. */
const deepest = 4
const mostLooked = 10_000

/** The paths of the dicts in a value, nearest first; `ofTensors` of those that hold nothing but tensors, and some. */
function paths(value: PickleValue, ofTensors = false): string[] {
  const found: string[] = []
  const seen = new Set<PickleValue>([value])
  let level: [path: string, value: PickleValue][] = [['', value]]
  for (let depth = 0; depth < deepest; depth++) {
    const next: typeof level = []
    for (const [path, container] of level) {
      if (ofTensors ? isTensors(container) : path !== '') found.push(path)
      const entries =
        container instanceof Map ? container : Array.isArray(container) ? container.entries() : []
      for (const [key, element] of entries) {
        const named = typeof key === 'string' ? key.length <= 100 : Number.isSafeInteger(key)
        if (!named || seen.has(element) || seen.size > mostLooked) continue
        if (!(element instanceof Map || Array.isArray(element) || element instanceof InertObject)) continue
        seen.add(element)
        next.push([path === '' ? String(key) : `${path}.${key}`, element])
      }
    }
    level = next
  }
  return found
}

function isTensors(value: PickleValue): boolean {
  if (!(value instanceof Map) || value.size === 0) return false
  for (const [name, element] of value) {
    if (typeof name !== 'string' || !(element instanceof PickledTensor)) return false
  }
  return true
}

function unreadName(value: PickleValue): string | undefined {
  const unread = value instanceof InertObject || (value instanceof PickleGlobal && value.foreign)
  return unread ? clipped(value.name) : undefined
}

/** For messages: `a dict of 'epoch' (int), 'state_dict' (dict of 122)`. */
function contents(value: PickleValue): string {
  if (!(value instanceof Map)) return kind(value)
  const shown = [...value].slice(0, 12).map(([key, element]) => `${shownKey(key)} (${kind(element)})`)
  return `a dict of ${shown.join(', ')}${value.size > shown.length ? ` and ${value.size - shown.length} more` : ''}`
}

/** A key by itself where it is a text or a number, else its kind: what is in a container may be without end. */
function shownKey(key: PickleValue): string {
  if (typeof key === 'string') return `'${clipped(key)}'`
  return typeof key === 'number' || typeof key === 'bigint' ? clipped(String(key)) : kind(key)
}

function kind(value: PickleValue): string {
  if (value instanceof PickledTensor) return `tensor [${value.shape.join(', ')}]`
  if (value instanceof InertObject)
    return `${value.isModule ? 'pickled module' : 'object'} ${clipped(value.name)}`
  if (value instanceof Map) return `dict of ${value.size}`
  if (Array.isArray(value)) return `list of ${value.length}`
  return value === null ? 'None' : typeof value === 'object' ? 'object' : typeof value
}
