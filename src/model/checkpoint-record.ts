import { z } from 'zod'
import { clipped, expectObject, expectText, nearest, parseForeignJson, SosError } from '../base/index.js'
import { type Preprocess, presets } from '../data/index.js'
import { checkedPreprocess, preprocessSchema } from '../data/internal.js'
import type { ScriptModule } from '../torch/index.js'
import { expectModule } from '../torch/internal.js'

/** The name under which the record travels in the archive's extra files. */
export const recordFile = 'sos.json'

const recordSchema = z.object({
  version: z.literal(1),
  architecture: z.string(),
  preprocess: preprocessSchema,
  classes: z.array(z.string()).min(1).nullable(),
  shifts: z.array(z.record(z.string(), z.unknown())),
})

/** What a checkpoint tells of itself: how its images are preprocessed, its classes, the shifts applied to it. */
export type CheckpointRecord = z.infer<typeof recordSchema>

/** The record that `model` carries, or null where it is plain TorchScript. Throws `ERR_RECORD` where it is malformed. */
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
      `${model.path}: its ${recordFile} is no JSON: ${(cause as Error).message}`,
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

/** The names of the outputs of `model`, in their order, where its record tells them; else null. Throws `ERR_RECORD`. */
export function classesOf(model: ScriptModule): readonly string[] | null {
  return checkpointRecord(model)?.classes ?? null
}

/**
 * How images become inputs of `model`: by the named preset if there is one, else by the checkpoint's own record; what
 * `changes` says goes before either, and is enough where it says all but the interpolation (bilinear, as torchvision) and
 * the channels (those of the mean). There is no other default: a wrong one costs points of accuracy and says nothing.
 *
 * @throws `ERR_PRESET` for an unknown name, `ERR_NO_PREPROCESS` where something is told by none of them,
 *   `ERR_PREPROCESS` where what they tell does not go together
 */
export function preprocessOf(
  model: ScriptModule,
  preset?: string,
  changes: Partial<Preprocess> = {},
): Preprocess {
  expectObject('changes', changes)
  const base = preset === undefined ? checkpointRecord(model)?.preprocess : presetNamed(preset)
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  const told: Partial<Preprocess> = { interpolation: 'bilinear', ...base, ...given }
  const missing = (['resize', 'crop', 'mean', 'std'] as const).filter((name) => told[name] === undefined)
  if (missing.length > 0) {
    throw new SosError(
      'ERR_NO_PREPROCESS',
      `${model.path} does not tell how its images are preprocessed (it carries no ${recordFile}); name a preset, as --preset resnet50, or give ${missing.map((name) => `--${name}`).join(', ')}`,
    )
  }
  return checkedPreprocess({ ...told, channels: told.mean?.length })
}

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
