import { z } from 'zod'
import { clipped, expectText, nearest, SosError, shown } from '../../base/index.js'
import { schema, type TrainingConfig, trainingSchemes } from './config-schema.js'
import { presetNames, trainingPresets } from './presets.js'
import { trainerOptions } from './run-options.js'

/**
 * Checks a configuration, whose `preset`, where there is one, gives what it leaves out: section by section, key by key.
 *
 * @param document parsed JSON
 * @param file its name, for messages
 * @throws `ERR_CONFIG` that names each key that is wrong, and the nearest one for a key that is none
 */
export function parseConfig(document: unknown, file: string): TrainingConfig {
  expectText('file', file)
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new SosError('ERR_CONFIG', `${file}: expected an object of settings but received ${kind(document)}`)
  }
  const { preset, ...settings } = plain(document, file) as Record<string, unknown>
  const result = schema.safeParse(preset === undefined ? settings : merge(presetOf(preset, file), settings))
  if (result.success) return checked(result.data, file)
  const problems = result.error.issues.slice(0, 20).flatMap((issue) => explain(issue as Issue))
  const told = problems.length > 20 ? [...problems.slice(0, 20), '…'] : problems
  throw new SosError('ERR_CONFIG', `${file}: ${told.join('; ')}`)
}

/** What only the trainer's own options know: that Nesterov's momentum needs one, and the like. */
function checked(config: TrainingConfig, file: string): TrainingConfig {
  try {
    for (const scheme of trainingSchemes) trainerOptions(config, scheme, config.seed)
    return config
  } catch (cause) {
    if (!(cause instanceof SosError)) throw cause
    throw new SosError('ERR_CONFIG', `${file}: ${cause.message}`, { cause })
  }
}

/** What of zod's issues is told. */
interface Issue {
  readonly code: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly keys?: readonly string[]
}

/** Deeper than any setting. */
const deepest = 10

/**
 * A copy of what JSON can hold: the own keys of plain objects, and arrays. What is inherited would be read and not be told, and
 * `__proto__` as a key would have others inherited; circles are deeper than any document.
 */
function plain(value: unknown, file: string, path: readonly string[] = []): unknown {
  if (typeof value !== 'object' || value === null) return value
  const refuse = (why: string) =>
    new SosError('ERR_CONFIG', `${file}: ${path.map((part) => clipped(part)).join('.') || 'it'}: ${why}`)
  if (path.length > deepest)
    throw refuse(`expected settings but they are nested deeper than ${deepest} levels`)
  if (Array.isArray(value))
    return Array.from(value, (element, i) => plain(element, file, [...path, String(i)]))
  const parent = Object.getPrototypeOf(value) as object | null
  // The prototype of plain objects is told by what it has: that of another realm is another one.
  if (
    parent !== null &&
    !(Object.getPrototypeOf(parent) === null && Object.hasOwn(parent, 'isPrototypeOf'))
  ) {
    throw refuse(`expected a plain object of settings but received another's instance, or one that inherits`)
  }
  const copy: Record<string, unknown> = {}
  for (const [key, element] of Object.entries(value)) {
    if (key === '__proto__') throw refuse('__proto__ is no setting')
    copy[key] = plain(element, file, [...path, key])
  }
  return copy
}

function presetOf(preset: unknown, file: string): Record<string, unknown> {
  if (typeof preset === 'string' && Object.hasOwn(trainingPresets, preset))
    return trainingPresets[preset]!.settings
  const near = typeof preset === 'string' ? nearest(preset, presetNames) : []
  throw new SosError(
    'ERR_CONFIG',
    `${file}: expected one of ${presetNames.join(', ')} for preset but received ${shown(preset)}${near.length > 0 ? `; did you mean ${near[0]}?` : ''}`,
  )
}

function merge(preset: Record<string, unknown>, settings: Record<string, unknown>): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...preset }
  for (const [key, value] of Object.entries(settings)) {
    const [before, now] = [Object.hasOwn(merged, key) ? merged[key] : undefined, value]
    // Another optimizer or schedule by name is another one altogether.
    const same = isRecord(before) && isRecord(now) && (now.name === undefined || now.name === before.name)
    merged[key] = same ? { ...(before as object), ...(now as object) } : now
  }
  return merged
}

function explain({ code, path, message, keys = [] }: Issue): string[] {
  const place = path.map(String).join('.')
  if (code !== 'unrecognized_keys') return [`${place || 'it'}: ${message}`]
  return keys.map((key) => {
    const known = path.length === 0 ? ['preset', ...knownKeys([])] : knownKeys(path)
    const near = nearest(key, known)
    const hint = near.length > 0 ? `; did you mean ${near[0]}?` : `; known: ${known.join(', ')}`
    return `${place === '' ? clipped(key) : `${place}.${clipped(key)}`} is no setting${hint}`
  })
}

/** The keys of the settings at a path. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let at: unknown = schema
  for (const part of path) at = shapesOf(at).find((shape) => Object.hasOwn(shape, part))?.[String(part)]
  return [...new Set(shapesOf(at).flatMap((shape) => Object.keys(shape)))]
}

/** The shapes that a schema may have, its wrappers taken off. */
function shapesOf(at: unknown): Record<string, unknown>[] {
  if (at instanceof z.ZodDefault || at instanceof z.ZodOptional || at instanceof z.ZodNullable) {
    return shapesOf(at.unwrap())
  }
  if (at instanceof z.ZodDiscriminatedUnion) return at.options.flatMap(shapesOf)
  return at instanceof z.ZodObject ? [at.shape as Record<string, unknown>] : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const kind = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
