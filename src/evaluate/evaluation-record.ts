import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'

import { z } from 'zod'

import type { SkippedImage } from '../data/dataset.js'
import { SosError } from '../torch/errors.js'
import { parseForeignJson } from '../torch/foreign-json.js'
import type { EvaluationSubject } from './evaluation-subject.js'
import type { SampleScores } from './metrics.js'

/** The scores of one model on a batch, and how many logits it has for an image. */
export interface RecordedScores extends SampleScores {
  readonly classes: number
}

export interface RecordedBatch {
  readonly indices: readonly number[]
  readonly skipped: readonly SkippedImage[]
  /** For each model, in the order of the header; none where all images were skipped. */
  readonly models: readonly RecordedScores[]
}

/** JSON has no NaN and no infinity: these are written as text. */
const number = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)])
const index = z.int().nonnegative()
const batchSchema = z
  .strictObject({
    indices: z.array(index),
    skipped: z.array(z.strictObject({ index, path: z.string(), reason: z.string() })),
    models: z.array(
      z.strictObject({
        classes: z.int().positive(),
        predictions: z.array(index),
        ranks: z.array(index),
        losses: z.array(number),
        confidences: z.array(number),
      }),
    ),
  })
  .refine(
    ({ indices, models }) =>
      models.every((model) =>
        [model.predictions, model.ranks, model.losses, model.confidences].every(
          ({ length }) => length === indices.length,
        ),
      ),
    { message: 'each list needs a value for each image' },
  )

/**
 * A file of JSON lines in which an evaluation notes each batch when it is done, so that it can be continued when it is
 * interrupted, whenever that is: a line that was being written is dropped, and its batch done again. The first line says
 * what is evaluated:
 *
 *     {"version":1,"models":[{"path","sha256"}],"dataset":{"name","size","labelsSha256"},"preprocess":{…},"images":50000}
 *     {"indices":[…],"skipped":[{"index","path","reason"}],"models":[{"classes","predictions","ranks","losses","confidences"}]}
 */
export class EvaluationRecord {
  readonly path: string
  /** What the file held when it was opened. */
  readonly batches: readonly RecordedBatch[]
  readonly #file: number
  #size: number

  private constructor(path: string, file: number, size: number, batches: readonly RecordedBatch[]) {
    this.path = path
    this.batches = batches
    this.#file = file
    this.#size = size
  }

  /**
   * Begins a record. Throws `ERR_OUTPUT` where the file is there already, or cannot be written.
   */
  static create(path: string, subject: EvaluationSubject): EvaluationRecord {
    let file: number
    try {
      file = openSync(path, 'wx')
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      const reason = code === 'EEXIST' ? 'there is one already; resume it, or remove it' : message
      throw new SosError('ERR_OUTPUT', `${path}: expected to begin a record but ${reason}`, { cause })
    }
    return EvaluationRecord.#begin(path, file, subject)
  }

  /**
   * Opens a record to continue it; where there is none, or one without a whole first line, it begins it.
   *
   * @throws `ERR_RECORD` where it is of something else, or damaged; `ERR_OUTPUT` where it cannot be written
   */
  static resume(path: string, subject: EvaluationSubject): EvaluationRecord {
    let file: number
    let text: string
    try {
      file = openSync(path, 'a+')
      text = readFileSync(file, 'utf8')
    } catch (cause) {
      throw new SosError('ERR_OUTPUT', `${path}: cannot be continued: ${(cause as Error).message}`, { cause })
    }
    try {
      const whole = text.slice(0, text.lastIndexOf('\n') + 1)
      const [header, ...lines] = whole.split('\n').slice(0, -1)
      if (header === undefined) return EvaluationRecord.#begin(path, file, subject)
      checkHeader(path, header, subject)
      const batches = lines.map((line, i) => parseBatch(`${path}:${i + 2}`, line, subject))
      checkIndices(path, batches, subject.dataset.size)
      const size = Buffer.byteLength(whole)
      ftruncateSync(file, size)
      return new EvaluationRecord(path, file, size, batches)
    } catch (error) {
      closeSync(file)
      throw error
    }
  }

  static #begin(path: string, file: number, subject: EvaluationSubject): EvaluationRecord {
    ftruncateSync(file, 0)
    const record = new EvaluationRecord(path, file, 0, [])
    record.#write({ version: 1, ...subject })
    return record
  }

  /** Notes a batch. Throws `ERR_OUTPUT` where that fails, also where another process writes to the file. */
  append({ indices, skipped, models }: RecordedBatch): void {
    this.#write({
      indices,
      skipped,
      models: models.map(({ classes, predictions, ranks, losses, confidences }) => ({
        classes,
        predictions: [...predictions],
        ranks: [...ranks],
        losses: Array.from(losses, finiteOrText),
        confidences: Array.from(confidences, finiteOrText),
      })),
    })
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(line: unknown): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
    try {
      if (fstatSync(this.#file).size !== this.#size) throw new Error('another process writes to it')
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written)
    } catch (cause) {
      throw new SosError('ERR_OUTPUT', `${this.path}: cannot be written: ${(cause as Error).message}`, {
        cause,
      })
    }
    this.#size += bytes.length
  }
}

const finiteOrText = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

function checkHeader(path: string, line: string, subject: EvaluationSubject): void {
  const header = parseJson(`${path}:1`, line) as Record<string, unknown> | null
  if (typeof header !== 'object' || header === null || header.version !== 1) {
    throw new SosError(
      'ERR_RECORD',
      `${path}: expected the record of an evaluation but its first line is none`,
    )
  }
  for (const [key, value] of Object.entries(subject)) {
    if (isDeepStrictEqual(header[key], JSON.parse(JSON.stringify(value)))) continue
    throw new SosError(
      'ERR_RECORD',
      `${path}: expected a record of the same evaluation but its ${key} is ${JSON.stringify(header[key])}, not ${JSON.stringify(value)}; name another file`,
    )
  }
}

function parseBatch(place: string, line: string, subject: EvaluationSubject): RecordedBatch {
  const parsed = batchSchema.safeParse(parseJson(place, line))
  const models = parsed.data?.models.length
  if (!parsed.success || (models !== 0 && models !== subject.models.length)) {
    const reason = parsed.success ? `it has ${models} models` : z.prettifyError(parsed.error)
    throw new SosError('ERR_RECORD', `${place}: expected a batch but ${reason}`)
  }
  return {
    ...parsed.data,
    models: parsed.data.models.map(({ classes, predictions, ranks, losses, confidences }) => ({
      classes,
      predictions: Int32Array.from(predictions),
      ranks: Int32Array.from(ranks),
      losses: Float64Array.from(losses),
      confidences: Float64Array.from(confidences),
    })),
  }
}

function parseJson(place: string, line: string): unknown {
  try {
    return parseForeignJson(line)
  } catch (cause) {
    throw new SosError('ERR_RECORD', `${place}: expected JSON; the record is damaged, begin another`, {
      cause,
    })
  }
}

/** Each image is in a record once, and in the dataset. */
function checkIndices(path: string, batches: readonly RecordedBatch[], size: number): void {
  const seen = new Set<number>()
  for (const { indices, skipped } of batches) {
    for (const index of [...indices, ...skipped.map((image) => image.index)]) {
      if (index < size && !seen.has(index)) {
        seen.add(index)
        continue
      }
      const what = index < size ? `has image ${index} twice` : `has an image ${index} of ${size}`
      throw new SosError('ERR_RECORD', `${path}: the record ${what}; it is damaged, begin another`)
    }
  }
}
