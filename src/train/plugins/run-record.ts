import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { expectText, nonFiniteAsText, numberOrText, parseForeignJson, SosError } from '../../base/index.js'

const number = numberOrText(z.number())
const fromZero = numberOrText(z.number().min(0))
const percent = numberOrText(z.number().min(0).max(100))
const whole = z.int().nonnegative()
const count = z.int().positive()
const epoch = whole

/** Records that were written before the error over images was known have the error of the random vectors as `standardError`. */
const probedTrace = z
  .strictObject({
    trace: number,
    standardError: fromZero.nullable(),
    probeStandardError: fromZero.nullable().optional(),
    by: z.enum(['exact', 'gauss-newton', 'hessian']),
  })
  .transform(({ probeStandardError, ...told }) =>
    probeStandardError === undefined
      ? { ...told, standardError: null, probeStandardError: told.standardError }
      : { ...told, probeStandardError },
  )

const lineSchema = z.discriminatedUnion('event', [
  z.strictObject({
    event: z.literal('run'),
    epochs: whole,
    batchesPerEpoch: count,
    /** What the caller says about the run, for example the command's configuration. */
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
       * The largest change of an output of the layer on the held-out images, and the share of these images whose class cannot have changed.
       * The share is null if these outputs are not the logits. All of it is null if there are no held-out images.
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
    // The bias mode `augment` has one more input in each group, and there are at most as many groups as inputs.
    .refine(({ rank, inFeatures }) => rank <= 2 * inFeatures, {
      message: 'expected a rank of at most inFeatures and one bias for each group',
    })
    .refine(({ classesCovered, classes }) => classesCovered <= classes, {
      message: 'expected at most as many classes covered as there are classes',
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
    trace: probedTrace.nullable(),
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

/** A line of the record of a run, `run.jsonl`; `event` says which kind of line it is. */
export type RunLine = z.infer<typeof lineSchema>

/** A line as it is written to the file. */
export function formatLine(line: RunLine): string {
  return `${JSON.stringify(line, nonFiniteAsText)}\n`
}

/**
 * Reads the record of a run. If the last line is incomplete, because the process was killed, it is left out.
 *
 * @param path the path of the file, as it was given to `recordRun`
 * @returns the lines, in their order
 * @throws `ERR_RECORD` if the file is not the record of a run or is damaged, `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`
 * @example
 * trainer.use(recordRun('out/examples/read.jsonl'))
 * await trainer.run()
 * const [first] = await readRunRecord('out/examples/read.jsonl')
 * console.log(first) // → { event: 'run', epochs: 1, batchesPerEpoch: 4, about: {} }
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
 * Parses the lines of a record, from the first line on.
 *
 * @throws `ERR_RECORD` if a text is not a line of a record, or if the lines do not fit together: the first line, and no other, must describe
 *   the run, and the epochs must follow one another
 */
export function parseLines(path: string, texts: readonly string[]): RunLine[] {
  const wrong = (i: number, why: string, cause?: unknown) =>
    new SosError('ERR_RECORD', `${path}: line ${i + 1}: expected a line of a training record: ${why}`, {
      cause,
    })
  let epochs = 0
  let done = 0
  return texts.map((text, i) => {
    let line: RunLine
    try {
      line = lineSchema.parse(parseForeignJson(text))
    } catch (cause) {
      throw wrong(i, cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message, cause)
    }
    if ((line.event === 'run') !== (i === 0))
      throw wrong(i, 'the first line, and no other, must describe the run')
    if (line.event === 'run') {
      epochs = line.epochs
      return line
    }
    // The result of an epoch may come after the end of the epoch.
    const late = line.event !== 'epoch' && line.epoch === done - 1
    if (!(late || line.epoch === done) || line.epoch >= epochs) {
      throw wrong(i, `it is of epoch ${line.epoch}, after ${done} of ${epochs} epochs`)
    }
    if (line.event === 'epoch') done++
    return line
  })
}
