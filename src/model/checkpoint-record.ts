import { z } from 'zod'
import { clipped, expectObject, expectText, nearest, parseForeignJson, SosError } from '../base/index.js'
import { type Preprocess, presets } from '../data/index.js'
import { checkedPreprocess, preprocessSchema } from '../data/internal.js'
import type { ScriptModule } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'

/** The name of the record among the archive's extra files. */
export const recordFile = 'sos.json'

const recordSchema = z.object({
  version: z.literal(1),
  architecture: z.string(),
  preprocess: preprocessSchema,
  classes: z.array(z.string()).min(1).nullable(),
  shifts: z.array(z.record(z.string(), z.unknown())),
})

/**
 * What a checkpoint says about itself in its `sos.json`: how its images are preprocessed, its classes, and the shifts
 * that were applied to it.
 */
export type CheckpointRecord = z.infer<typeof recordSchema>

/**
 * Reads the `sos.json` that a model carries.
 *
 * @param model a model, as it was loaded
 * @returns the record, or null for plain TorchScript
 * @throws `ERR_RECORD` if the record is malformed
 * @example
 * console.log(checkpointRecord(model)!.classes!.length) // → 10
 */
export function checkpointRecord(model: ScriptModule): CheckpointRecord | null {
  expectModule('model', model)
  const text = model.extraFiles[recordFile]
  if (text === undefined || text === '') return null
  let json: unknown
  try {
    json = parseForeignJson(text)
  } catch (cause) {
    throw new SosError(
      'ERR_RECORD',
      `${model.path}: its ${recordFile} is not valid JSON: ${(cause as Error).message}`,
      { cause },
    )
  }
  const parsed = recordSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new SosError(
    'ERR_RECORD',
    `${model.path}: its ${recordFile} is not as expected:\n${clipped(z.prettifyError(parsed.error), 2000)}`,
  )
}

/**
 * Returns the names of a model's outputs, in their order, as its `sos.json` lists them.
 *
 * @param model a model, as it was loaded
 * @returns the names, or null if the model carries none
 * @throws `ERR_RECORD` if the record is malformed
 * @example
 * console.log(classesOf(model)!.length) // → 10
 */
export function classesOf(model: ScriptModule): readonly string[] | null {
  return checkpointRecord(model)?.classes ?? null
}

/**
 * Determines how images become inputs of a model: by the named preset if there is one, otherwise by the checkpoint's
 * own `sos.json`. `changes` take precedence over both. They are enough by themselves if they say everything except the
 * interpolation (bilinear, as in torchvision) and the channels (as many as `mean` has). There is no other default,
 * because a wrong one costs points of accuracy without any sign.
 *
 * @param model the model
 * @param preset the name of one of torchvision's classifiers, for example `resnet50`
 * @param changes what differs: resize, crop, mean, std, interpolation
 * @returns the preprocessing
 * @throws `ERR_PRESET` for an unknown name; `ERR_NO_PREPROCESS` if something is given by none of them; `ERR_PREPROCESS`
 *   if the values do not go together
 * @example
 * console.log(preprocessOf(model).channels) // → 1
 * console.log(preprocessOf(model, 'resnet50').crop) // → 224
 */
export function preprocessOf(
  model: ScriptModule,
  preset?: string,
  changes: Partial<Preprocess> = {},
): Preprocess {
  expectObject('changes', changes)
  const base = preset === undefined ? checkpointRecord(model)?.preprocess : presetNamed(preset)
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  const known: Partial<Preprocess> = { interpolation: 'bilinear', ...base, ...given }
  const missing = (['resize', 'crop', 'mean', 'std'] as const).filter((name) => known[name] === undefined)
  if (missing.length > 0) {
    throw new SosError(
      'ERR_NO_PREPROCESS',
      `${model.path}: expected to know how its images are preprocessed but it carries no ${recordFile}; name a preset, for example --preset resnet50, or give ${missing.map((name) => `--${name}`).join(', ')}`,
    )
  }
  return checkedPreprocess({ ...known, channels: known.mean?.length })
}

/**
 * Returns the preprocessing of one of torchvision's classifiers.
 *
 * @param name its name in torchvision
 * @returns the preprocessing
 * @throws `ERR_PRESET` for an unknown name
 * @example
 * console.log(presetNamed('resnet50').channels) // → 3
 */
export function presetNamed(name: string): Preprocess {
  expectText('preset', name)
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined
  if (preset !== undefined) return preset
  const near = nearest(name, Object.keys(presets))
  throw new SosError(
    'ERR_PRESET',
    `expected the name of one of torchvision's classifiers as preset but received '${name}'${near.length > 0 ? `; did you mean ${near.join(', ')}?` : ''}`,
  )
}
