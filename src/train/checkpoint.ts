import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import { SosError } from '../torch/errors.js'
import { parseForeignJson } from '../torch/foreign-json.js'
import { readSafetensors, writeSafetensors } from '../torch/serialization/safetensors.js'
import type { Tensor } from '../torch/tensor/tensor.js'
import { difference } from './difference.js'

const whole = z.int().nonnegative()
const stateSchema = z.strictObject({
  epoch: whole,
  batch: whole,
  step: whole,
  learningRate: z.number(),
  sums: z.strictObject({ loss: z.number(), correct: z.number(), images: z.number() }),
  events: z.record(z.string(), whole),
  extra: z.record(z.string(), z.unknown()),
})

/** Where a run stands, beside its tensors. */
export interface RunState {
  /** The epoch at work, from 0, and how many of its batches are done. */
  readonly epoch: number
  readonly batch: number
  readonly step: number
  /** The optimizer's, which a listener may have changed, before the schedule's factor. */
  readonly learningRate: number
  /** Sums over the epoch at work. */
  readonly sums: { readonly loss: number; readonly correct: number; readonly images: number }
  /** How often each event was emitted. */
  readonly events: Readonly<Record<string, number>>
  /** What listeners keep in `trainer.extra`: any JSON. */
  readonly extra: Readonly<Record<string, unknown>>
}

export interface Checkpoint {
  /** What the run is: one made otherwise is not continued. */
  readonly run: unknown
  readonly state: RunState
  /** `model.NAME`, `optimizer.NAME`, `random.DEVICE`. */
  readonly tensors: ReadonlyMap<string, Tensor>
}

const format = 'optimum-shifting training checkpoint 1'
const pattern = /^checkpoint-(\d{9})\.safetensors$/
const temporary = /^\.checkpoint-\d{9}\.safetensors\./

/**
 * Writes a checkpoint as a safetensors file beside and renames it, then removes all but the last `keep`.
 *
 * @returns its path
 * @throws `ERR_OUTPUT`
 */
export async function writeCheckpoint(
  folder: string,
  { run, state, tensors }: Checkpoint,
  keep: number,
): Promise<string> {
  await mkdir(folder, { recursive: true }).catch((cause) => {
    throw new SosError('ERR_OUTPUT', `${folder}: the folder cannot be made: ${cause.message}`, { cause })
  })
  const path = join(folder, `checkpoint-${String(state.step).padStart(9, '0')}.safetensors`)
  await writeSafetensors(path, tensors, {
    format,
    run: JSON.stringify(run),
    state: JSON.stringify(state),
  })
  const older = (await checkpoints(folder)).slice(0, -keep)
  for (const name of older) await rm(join(folder, name), { force: true })
  return path
}

/** The path of the last checkpoint in a folder; null where there is none. What killed writers left is removed. */
export async function lastCheckpoint(folder: string): Promise<string | null> {
  const names = await readdir(folder).catch((error) => {
    if (error.code === 'ENOENT') return []
    throw new SosError('ERR_CHECKPOINT', `${folder}: ${error.message}`, { cause: error })
  })
  for (const name of names.filter((name) => temporary.test(name))) {
    await rm(join(folder, name), { recursive: true, force: true })
  }
  const last = names
    .filter((name) => pattern.test(name))
    .sort()
    .at(-1)
  return last === undefined ? null : join(folder, last)
}

/**
 * Reads a checkpoint.
 *
 * @param run what it must have been made by
 * @throws `ERR_CHECKPOINT` for another file, or one of another run; `ERR_DAMAGED_FILE`
 */
export async function readCheckpoint(path: string, run: unknown): Promise<Checkpoint> {
  const { tensors, metadata } = await readSafetensors(path)
  try {
    if (metadata.format !== format) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${path}: expected a training checkpoint but this is another safetensors file`,
      )
    }
    const made = parseForeignJson(metadata.run!)
    const differing = difference(made, run)
    if (differing !== null) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${path}: this checkpoint is of another run: ${differing}; continue with the same options, or in an empty folder`,
      )
    }
    return { run, state: stateSchema.parse(parseForeignJson(metadata.state!)), tensors }
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose()
    if (error instanceof SyntaxError || error instanceof z.ZodError) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${path}: its metadata is not that of a checkpoint: ${error.message}`,
        {
          cause: error,
        },
      )
    }
    throw error
  }
}

async function checkpoints(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => pattern.test(name)).sort()
}
