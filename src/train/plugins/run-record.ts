import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { expectText, nonFiniteAsText, numberOrText, parseForeignJson, SosError } from '../../base/index.js'

const number = numberOrText(z.number())
const fromZero = numberOrText(z.number().min(0))
const percent = numberOrText(z.number().min(0).max(100))
const whole = z.int().nonnegative()
const count = z.int().positive()
const epoch = whole

const lineSchema = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('run'),
    epochs: whole,
    batchesPerEpoch: count,
    /** What the caller told of the run, as the command's configuration. */
    about: z.record(z.string(), z.unknown()),
  }),
  z
    .strictObject({
      event: z.literal('shift'),
      epoch,
      layer: z.string(),
      batchSize: count,
      rank: whole,
      inFeatures: count,
      normBefore: fromZero,
      normAfter: fromZero,
      batchLogitChange: fromZero,
      /**
       * The largest change of a held-out output of the layer, and the share of held-out images whose class cannot have changed, null
       * where these outputs are not the logits; null without any images.
       */
      drift: z
        .strictObject({ largest: fromZero, safe: numberOrText(z.number().min(0).max(1)).nullable() })
        .nullable(),
      classesCovered: whole,
      classes: count,
      momentum: z.enum(['keep', 'project', 'zero']),
      milliseconds: fromZero,
      warnings: z.array(z.string()),
    })
    // The bias mode `augment` has one input more in each group, of which there are at most as many as inputs.
    .refine(({ rank, inFeatures }) => rank <= 2 * inFeatures, {
      message: 'no rank is above inFeatures and a bias for each group',
    })
    .refine(({ classesCovered, classes }) => classesCovered <= classes, {
      message: 'no more classes are covered than there are',
    }),
  z.strictObject({
    event: z.literal('evaluation'),
    epoch,
    top1: percent,
    top5: percent.nullable(),
    loss: fromZero,
    calibrationError: numberOrText(z.number().min(0).max(1)),
    images: count,
  }),
  z.strictObject({
    event: z.literal('probe'),
    epoch,
    trace: z
      .strictObject({ trace: number, standardError: fromZero, by: z.enum(['gauss-newton', 'hessian']) })
      .nullable(),
    weightNorm: fromZero,
    train: z.strictObject({ loss: fromZero, accuracy: percent }),
    collapse: z.strictObject({ nc1: number, nc2: number, nc3: number, nc4: number }).nullable(),
  }),
  z.strictObject({
    event: z.literal('epoch'),
    epoch,
    step: whole,
    learningRate: number,
    loss: fromZero,
    accuracy: percent,
    seconds: fromZero,
  }),
])

/** A line of a run's record, `run.jsonl`. */
export type RunLine = z.infer<typeof lineSchema>

/** The line as it is written. */
export function formatLine(line: RunLine): string {
  return `${JSON.stringify(line, nonFiniteAsText)}\n`
}

/**
 * Reads a run's record. A last line that was cut off, as by a kill, is left out.
 *
 * @throws `ERR_RECORD` for lines that are none, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 */
export async function readRunRecord(path: string): Promise<RunLine[]> {
  expectText('path', path)
  const text = await readFile(path, 'utf8').catch((cause) => {
    const code = cause.code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE_UNREADABLE'
    throw new SosError(code, `${path}: cannot be read: ${cause.message}`, { cause })
  })
  return parseLines(path, text.split('\n').slice(0, -1))
}

/**
 * The lines of a record from its first on.
 *
 * @throws `ERR_RECORD` for what is no line, and for lines that do not go together: the first, and no other, tells of the run,
 *   whose epochs follow one another
 */
export function parseLines(path: string, texts: readonly string[]): RunLine[] {
  const wrong = (i: number, why: string, cause?: unknown) =>
    new SosError('ERR_RECORD', `${path}: line ${i + 1} is no line of a training record: ${why}`, { cause })
  let epochs = 0
  let done = 0
  return texts.map((text, i) => {
    let line: RunLine
    try {
      line = lineSchema.parse(parseForeignJson(text))
    } catch (cause) {
      throw wrong(i, cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message, cause)
    }
    if ((line.event === 'run') !== (i === 0)) throw wrong(i, 'the first line, and no other, tells of the run')
    if (line.event === 'run') {
      epochs = line.epochs
      return line
    }
    // A result of an epoch may be told after its end.
    const late = line.event !== 'epoch' && line.epoch === done - 1
    if (!(late || line.epoch === done) || line.epoch >= epochs) {
      throw wrong(i, `it is of epoch ${line.epoch}, after ${done} of ${epochs}`)
    }
    if (line.event === 'epoch') done++
    return line
  })
}
