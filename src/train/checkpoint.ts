import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isNonFinite, makeFolderSync, parseForeignJson, SosError } from '../base/index.js'
import { readSafetensors, type Tensor, writeSafetensors } from '../torch/index.js'

import { difference } from './json-difference.js'

const whole = z.int().nonnegative()
/** JSON has no NaN and no infinity. They are written as objects, so that a text of a listener is not taken for one. */
const written = z.strictObject({ $number: z.literal(['NaN', 'Infinity', '-Infinity']) })
const stateSchema = z.strictObject({
  epoch: whole,
  batch: whole,
  step: whole,
  learningRate: z.number().min(0),
  sums: z
    .strictObject({
      loss: z
        .number()
        .or(z.nan())
        .or(z.literal([Infinity, -Infinity])),
      correct: z.number().min(0),
      images: whole,
    })
    .refine(({ correct, images }) => correct <= images * 1.0001, {
      message: 'expected at most as many correct images as there are images',
    }),
  events: z.record(z.string(), whole),
  extra: z.record(z.string(), z.unknown()),
})

/** The state of a run, beside its tensors. */
export interface RunState {
  /** The epoch at work, counted from 0. */
  readonly epoch: number
  /** How many batches of this epoch are done. */
  readonly batch: number
  /** The number of steps since the run began. */
  readonly step: number
  /** The learning rate before the schedule's factor; a listener may have changed it. */
  readonly learningRate: number
  /** The sums over the epoch at work, of all processes. */
  readonly sums: { readonly loss: number; readonly correct: number; readonly images: number }
  /** How often each event was emitted. */
  readonly events: Readonly<Record<string, number>>
  /** What listeners have in `trainer.extra`: any JSON. */
  readonly extra: Readonly<Record<string, unknown>>
}

/** What the file of a checkpoint holds. */
export interface Checkpoint {
  /** What defines the run: only a run with the same definition continues from the checkpoint. */
  readonly run: unknown
  /** The number of threads for operators in the process that wrote it. */
  readonly threads: number
  readonly state: RunState
  /** The tensors `model.NAME`, `optimizer.NAME` and `random.DEVICE`. */
  readonly tensors: ReadonlyMap<string, Tensor>
}

const format = 'optimum-shifting training checkpoint 1'
const pattern = /^checkpoint-(\d{9})\.safetensors$/
const temporary = /^\.checkpoint-\d{9}\.safetensors\./

/**
 * Writes a checkpoint as a safetensors file, under a temporary name that is then changed, and removes all but the last `keep` checkpoints.
 *
 * @returns the path of the file
 * @throws `ERR_OUTPUT`
 */
export async function writeCheckpoint(
  folder: string,
  { run, threads, state, tensors }: Checkpoint,
  keep: number,
): Promise<string> {
  makeFolderSync(folder) // synchronous, so that the file has the values that the tensors have at the call
  const path = join(folder, `checkpoint-${String(state.step).padStart(9, '0')}.safetensors`)
  await writeSafetensors(path, tensors, {
    format,
    run: JSON.stringify(run),
    threads: String(threads),
    state: JSON.stringify(state, (_, value) => (isNonFinite(value) ? { $number: String(value) } : value)),
  })
  const older = (await checkpoints(folder)).slice(0, -keep)
  for (const name of older) await rm(join(folder, name), { force: true })
  return path
}

/** The path of the last checkpoint in a folder; null if there is none. */
export async function lastCheckpoint(folder: string): Promise<string | null> {
  const last = (await namesIn(folder))
    .filter((name) => pattern.test(name))
    .sort()
    .at(-1)
  return last === undefined ? null : join(folder, last)
}

/**
 * Reads a checkpoint.
 *
 * @param run what the checkpoint must have as the definition of its run
 * @throws `ERR_CHECKPOINT` if it is another file or a checkpoint of another run, `ERR_DAMAGED_FILE`
 */
export async function readCheckpoint(path: string, run: unknown): Promise<Checkpoint> {
  const { tensors, metadata } = await readSafetensors(path)
  try {
    if (metadata.format !== format) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${path}: expected a checkpoint of a training but this is another safetensors file`,
      )
    }
    const made = parseForeignJson(metadata.run!)
    const differing = difference(made, run)
    if (differing !== null) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${path}: expected a checkpoint of this run but it is of another: ${differing}; run with the same options, or take an empty folder`,
      )
    }
    return {
      run,
      threads: z.coerce.number().int().positive().parse(metadata.threads),
      state: stateSchema.parse(numbersIn(parseForeignJson(metadata.state!))),
      tensors,
    }
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose()
    if (error instanceof SyntaxError || error instanceof z.ZodError) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `${path}: expected the metadata of a checkpoint but it is damaged: ${error.message}`,
        {
          cause: error,
        },
      )
    }
    throw error
  }
}

/** Throws `ERR_CHECKPOINT` if the place of a checkpoint does not exist in a run of `epochs` epochs of `batches` batches. */
export function expectPlace(
  { epoch, batch, step }: Pick<RunState, 'epoch' | 'batch' | 'step'>,
  epochs: number,
  batches: number,
): void {
  const inside = epoch <= epochs && batch <= batches && (epoch < epochs || batch === 0)
  if (inside && step === epoch * batches + batch) return
  throw new SosError(
    'ERR_CHECKPOINT',
    `expected a place within ${epochs} epochs of ${batches} batches but the checkpoint is at epoch ${epoch}, batch ${batch}, step ${step}`,
  )
}

/** Removes temporary files that killed processes left. No other process may write in the folder meanwhile. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of (await namesIn(folder)).filter((name) => temporary.test(name))) {
    await rm(join(folder, name), { recursive: true, force: true })
  }
}

async function checkpoints(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => pattern.test(name)).sort()
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error) => {
    if (error.code === 'ENOENT') return []
    throw new SosError('ERR_CHECKPOINT', `${folder}: ${error.message}`, { cause: error })
  })
}

/** The document with its numbers that JSON does not have. */
function numbersIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(numbersIn)
  if (typeof value !== 'object' || value === null) return value
  const number = written.safeParse(value)
  if (number.success) return Number(number.data.$number)
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, numbersIn(part)]))
}
