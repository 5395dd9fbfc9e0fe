import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { isNonFinite, makeFolderSync, parseForeignJson, SosError } from '../base/index.js'
import { readSafetensors, type Tensor, writeSafetensors } from '../torch/index.js'

import { difference } from './json-difference.js'

const whole = z.int().nonnegative()
/** JSON has no NaN and no infinity: these are written as objects, so that no text is taken for one. */
const written = z.strictObject({ $number: z.enum(['NaN', 'Infinity', '-Infinity']) })
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
      message: 'no more are correct than there are',
    }),
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
  /** Of the process that wrote it, for operators. */
  readonly threads: number
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
  { run, threads, state, tensors }: Checkpoint,
  keep: number,
): Promise<string> {
  makeFolderSync(folder) // without a wait: what is written is what the tensors hold at the call
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

/** The path of the last checkpoint in a folder; null where there is none. */
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
        `${path}: its metadata is not that of a checkpoint: ${error.message}`,
        {
          cause: error,
        },
      )
    }
    throw error
  }
}

/** Throws `ERR_CHECKPOINT` where a checkpoint told a place that is none of a run of `epochs` times `batches`. */
export function expectPlace(
  { epoch, batch, step }: Pick<RunState, 'epoch' | 'batch' | 'step'>,
  epochs: number,
  batches: number,
): void {
  const inside = epoch <= epochs && batch <= batches && (epoch < epochs || batch === 0)
  if (inside && step === epoch * batches + batch) return
  throw new SosError(
    'ERR_CHECKPOINT',
    `expected a place within ${epochs} epochs of ${batches} batches but the checkpoint tells of epoch ${epoch}, batch ${batch}, step ${step}`,
  )
}

/** Removes what killed writers left; nobody else may write in the folder. */
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

/** The document with the numbers that JSON has not. */
function numbersIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(numbersIn)
  if (typeof value !== 'object' || value === null) return value
  const number = written.safeParse(value)
  if (number.success) return Number(number.data.$number)
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, numbersIn(part)]))
}
