import { z } from 'zod'
import { clipped, expectText, nearest, SosError, shown } from '../../base/index.js'
import { schema, type TrainingConfig, trainingSchemes } from './config-schema.js'
import { presetNames, trainingPresets } from './presets.js'
import { trainerOptions } from './run-options.js'

/**
 * Checks the configuration of an experiment. If it names a `preset`, the preset fills in what the configuration leaves out, section by section
 * and key by key.
 *
 * @param document the configuration, as parsed JSON
 * @param file the name of its file, for messages
 * @returns the configuration with all defaults
 * @throws `ERR_CONFIG` with each wrong setting, and with the nearest known name for an unknown one
 * @example
 * const data = { model: 'model.pt', train: 'cifar10:data:train' }
 * const config = parseConfig({ preset: 'paper', ...data, epochs: 10 }, 'config.json')
 * console.log(config.epochs, config.batchSize, config.optimizer.learningRate) // → 10 64 0.1
 */
export function parseConfig(document: unknown, file: string): TrainingConfig {
  expectText('file', file)
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new SosError(
      'ERR_CONFIG',
      `${file}: expected an object with settings but received ${kind(document)}`,
    )
  }
  const { preset, ...settings } = plain(document, file) as Record<string, unknown>
  const result = schema.safeParse(preset === undefined ? settings : merge(presetOf(preset, file), settings))
  if (result.success) return checked(result.data, file)
  const problems = result.error.issues.slice(0, 20).flatMap((issue) => explain(issue as Issue))
  const told = problems.length > 20 ? [...problems.slice(0, 20), '…'] : problems
  throw new SosError('ERR_CONFIG', `${file}: ${told.join('; ')}`)
}

/** Checks what only the trainer's own options know, for example that Nesterov's momentum needs a momentum. */
function checked(config: TrainingConfig, file: string): TrainingConfig {
  try {
    for (const scheme of trainingSchemes) trainerOptions(config, scheme, config.seed)
    return config
  } catch (cause) {
    if (!(cause instanceof SosError)) throw cause
    throw new SosError('ERR_CONFIG', `${file}: ${cause.message}`, { cause })
  }
}

/** The parts of zod's issues that messages use. */
interface Issue {
  readonly code: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly keys?: readonly string[]
}

/** No setting is nested deeper than this. */
const deepest = 10

/**
 * A copy of what JSON can hold: the own keys of plain objects, and arrays. Inherited settings would be used but not written down, and
 * the key `__proto__` would make others inherited. A circular document is nested deeper than any other.
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
  // The prototype of plain objects is recognised by its properties, since each realm has its own.
  if (
    parent !== null &&
    !(Object.getPrototypeOf(parent) === null && Object.hasOwn(parent, 'isPrototypeOf'))
  ) {
    throw refuse(
      `expected a plain object with settings but received an instance of a class, or an object that inherits`,
    )
  }
  const copy: Record<string, unknown> = {}
  for (const [key, element] of Object.entries(value)) {
    if (key === '__proto__') throw refuse('__proto__ is not a setting')
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
    // An optimizer or a schedule of another name takes nothing from the preset's.
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
    return `${place === '' ? clipped(key) : `${place}.${clipped(key)}`} is not a setting${hint}`
  })
}

/** The known keys at a path. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let at: unknown = schema
  for (const part of path) at = shapesOf(at).find((shape) => Object.hasOwn(shape, part))?.[String(part)]
  return [...new Set(shapesOf(at).flatMap((shape) => Object.keys(shape)))]
}

/** The shapes that a schema may have, without its wrappers. */
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
