import { readFile } from 'node:fs/promises'

import { z } from 'zod'

import { SosError } from '../../torch/errors.js'
import { parseForeignJson } from '../../torch/foreign-json.js'

/** JSON has no NaN and no infinity: these are written as text. */
const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)])
const epoch = z.int().nonnegative()

const lineSchema = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('run'),
    epochs: z.int(),
    batchesPerEpoch: z.int(),
    /** What the caller told of the run, as the command's configuration. */
    about: z.record(z.string(), z.unknown()),
  }),
  z.strictObject({
    event: z.literal('shift'),
    epoch,
    layer: z.string(),
    batchSize: z.int(),
    rank: z.int(),
    inFeatures: z.int(),
    normBefore: number,
    normAfter: number,
    batchLogitChange: number,
    /** The largest change of a held-out logit, and the share of held-out images whose class cannot have changed; null without any. */
    drift: z.strictObject({ largest: number, safe: number }).nullable(),
    classesCovered: z.int(),
    classes: z.int(),
    momentum: z.enum(['keep', 'project', 'zero']),
    milliseconds: number,
    warnings: z.array(z.string()),
  }),
  z.strictObject({
    event: z.literal('evaluation'),
    epoch,
    top1: number,
    top5: number.nullable(),
    loss: number,
    calibrationError: number,
    images: z.int(),
  }),
  z.strictObject({
    event: z.literal('probe'),
    epoch,
    trace: z
      .strictObject({ trace: number, standardError: number, by: z.enum(['gauss-newton', 'hessian']) })
      .nullable(),
    weightNorm: number,
    train: z.strictObject({ loss: number, accuracy: number }),
    collapse: z.strictObject({ nc1: number, nc2: number, nc3: number, nc4: number }).nullable(),
  }),
  z.strictObject({
    event: z.literal('epoch'),
    epoch,
    step: z.int(),
    learningRate: number,
    loss: number,
    accuracy: number,
    seconds: number,
  }),
])

/** A line of a run's record, `run.jsonl`. */
export type RunLine = z.infer<typeof lineSchema>

/** The line as it is written. */
export function formatLine(line: RunLine): string {
  return `${JSON.stringify(line, (_, value) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value))}\n`
}

/**
 * Reads a run's record. A last line that was cut off, as by a kill, is left out.
 *
 * @throws `ERR_RECORD` for lines that are none, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function readRunRecord(path: string): Promise<RunLine[]> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    const code = cause.code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE_UNREADABLE'
    throw new SosError(code, `${path}: cannot be read: ${cause.message}`, { cause })
  })
  return text
    .split('\n')
    .slice(0, -1)
    .map((line, i) => {
      try {
        return lineSchema.parse(parseForeignJson(line))
      } catch (cause) {
        throw new SosError('ERR_RECORD', `${path}: line ${i + 1} is no line of a training record`, { cause })
      }
    })
}
