import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import {
  clipped,
  LineFile,
  nonFiniteAsText,
  numberOrText,
  parseForeignJson,
  SosError,
} from '../base/index.js'
import type { Dataset, SkippedImage } from '../data/index.js'
import { evenIndices } from '../data/internal.js'
import type { EvaluationSubject } from './evaluation-subject.js'
import type { SampleScores } from './metrics.js'

/** The scores of one model on a batch. */
export interface RecordedScores extends SampleScores {
  /** The number of logits of an image. */
  readonly classes: number
  /** Whether the model returned rows of probabilities. They were scored as such only if the evaluation asked for it, else as logits. */
  readonly probabilities: boolean
}

/** A batch of an evaluation that is done. */
export interface RecordedBatch {
  /** The indices of its images in the dataset, without the skipped ones. */
  readonly indices: readonly number[]
  /** Its corrupt images. */
  readonly skipped: readonly SkippedImage[]
  /** The scores of each model, in the order of the header; empty if all images were skipped. */
  readonly models: readonly RecordedScores[]
}

const index = z.int().nonnegative()
const scoresSchema = z
  .strictObject({
    classes: z.int().positive(),
    probabilities: z.boolean(),
    predictions: z.array(index),
    ranks: z.array(index),
    losses: z.array(numberOrText(z.number().min(0), ['NaN', 'Infinity'])),
    confidences: z.array(numberOrText(z.number().min(0).max(1), ['NaN'])),
  })
  .refine(({ classes, predictions }) => predictions.every((prediction) => prediction < classes), {
    message: 'expected each prediction to be one of the classes',
  })
  .refine(({ classes, ranks }) => ranks.every((rank) => rank <= classes), {
    message: 'expected no rank above the number of classes',
  })
const batchSchema = z
  .strictObject({
    indices: z.array(index),
    skipped: z.array(z.strictObject({ index, path: z.string(), reason: z.string() })),
    models: z.array(scoresSchema),
  })
  .refine(
    ({ indices, models }) =>
      models.every((model) =>
        [model.predictions, model.ranks, model.losses, model.confidences].every(
          ({ length }) => length === indices.length,
        ),
      ),
    { message: 'expected each list to have a value for each image' },
  )

/**
 * A file of JSON lines to which an evaluation adds each batch when it is done. So an interrupted evaluation can be continued: if the last line
 * is incomplete, it is dropped, and its batch is done again. The first line says what is evaluated:
 *
 *     {"version":1,"models":[{"path","sha256"}],"dataset":{"name","size","labelsSha256"},"preprocess":{…},"images":50000,"outputs":"logits","output":null}
 *     {"indices":[…],"skipped":[{"index","path","reason"}],"models":[{"classes","probabilities","predictions","ranks","losses","confidences"}]}
 *
 * @example
 * const subject = await evaluationSubject(['assets/fashion-resnet.pt'], test, preprocess, { limit: 20 })
 * using record = EvaluationRecord.resume('out/evaluation.jsonl', subject)
 * const { images } = await evaluate(model, test, { limit: 20, record })
 * console.log(images) // → 20
 */
export class EvaluationRecord {
  /** The path of the file. */
  readonly path: string
  /** What is evaluated. */
  readonly subject: EvaluationSubject
  /** The batches that the file had when it was opened. */
  readonly batches: readonly RecordedBatch[]
  readonly #file: LineFile

  private constructor(file: LineFile, subject: EvaluationSubject, batches: readonly RecordedBatch[]) {
    this.path = file.path
    this.subject = subject
    this.batches = batches
    this.#file = file
  }

  /**
   * Begins a record. No other process can use the file until it is closed.
   *
   * @param path the path of the file, which must not exist
   * @param subject what is evaluated, from `evaluationSubject`
   * @throws `ERR_OUTPUT` if the file exists or cannot be written, `ERR_LOCKED` if another process uses it
   */
  static create(path: string, subject: EvaluationSubject): EvaluationRecord {
    return begin(new LineFile(path, 'create'), (file) => EvaluationRecord.#begin(file, subject))
  }

  /**
   * Opens a record to continue it. If the file does not exist, or its first line is incomplete, the record begins anew.
   *
   * @param path the path of the file
   * @param subject what is evaluated, from `evaluationSubject`; it must be the same as in the file
   * @throws `ERR_RECORD` if the file is of another evaluation, is not a record or is damaged; `ERR_OUTPUT` if it cannot be written;
   *   `ERR_LOCKED` if another process uses it
   */
  static resume(path: string, subject: EvaluationSubject): EvaluationRecord {
    return begin(new LineFile(path, 'continue'), (file) => {
      const whole = file.text.slice(0, file.text.lastIndexOf('\n') + 1)
      const [header, ...lines] = whole.split('\n').slice(0, -1)
      if (header === undefined) {
        const begins = '{"version":1,'
        if (file.text.startsWith(begins) || begins.startsWith(file.text))
          return EvaluationRecord.#begin(file, subject)
        throw new SosError(
          'ERR_RECORD',
          `${path}: expected the record of an evaluation but the file is something else; name another file`,
        )
      }
      checkHeader(path, header, subject)
      const batches = lines.map((line, i) => parseBatch(`${path}:${i + 2}`, line, subject))
      checkBatches(path, batches, subject)
      file.truncate(Buffer.byteLength(whole))
      return new EvaluationRecord(file, subject, batches)
    })
  }

  static #begin(file: LineFile, subject: EvaluationSubject): EvaluationRecord {
    file.truncate(0)
    const record = new EvaluationRecord(file, subject, [])
    record.#write({ version: 1, ...subject })
    return record
  }

  /**
   * Checks that the record and its batches fit an evaluation.
   *
   * @param models how many models are evaluated
   * @param dataset the dataset of the evaluation
   * @param images how many images are evaluated
   * @throws `ERR_RECORD` if they do not fit
   */
  expectFor(models: number, dataset: Dataset, images: number): void {
    const { subject, path } = this
    const fits = subject.models.length === models && subject.images === images
    if (!fits || subject.dataset.size !== dataset.size) {
      throw new SosError(
        'ERR_RECORD',
        `${path}: expected the record of an evaluation of ${models} models on ${images} of ${dataset.size} images but it is one of ${subject.models.length} on ${subject.images} of ${subject.dataset.size}`,
      )
    }
    for (const { indices, models } of this.batches) {
      for (const scores of models) {
        const wrong = indices.findIndex((index, i) => !areScoresOf(scores, i, dataset.labels[index]!))
        if (wrong === -1) continue
        throw new SosError(
          'ERR_RECORD',
          `${path}: expected scores that fit together but those of image ${indices[wrong]} contradict each other or its label: the record is damaged, begin another`,
        )
      }
    }
  }

  /**
   * Adds a batch to the file.
   *
   * @throws `ERR_OUTPUT` if that fails, also because another process writes to the file
   */
  append({ indices, skipped, models }: RecordedBatch): void {
    this.#write({
      indices,
      skipped,
      models: models.map(({ classes, probabilities, predictions, ranks, losses, confidences }) => ({
        classes,
        probabilities,
        predictions: [...predictions],
        ranks: [...ranks],
        losses: [...losses],
        confidences: [...confidences],
      })),
    })
  }

  /** Closes the file, so that other processes can use it. */
  close(): void {
    this.#file.close()
  }

  /** Closes the file at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close()
  }

  #write(line: unknown): void {
    this.#file.append(`${JSON.stringify(line, nonFiniteAsText)}\n`)
  }
}

/** Closes the file if `body` fails. */
function begin(file: LineFile, body: (file: LineFile) => EvaluationRecord): EvaluationRecord {
  try {
    return body(file)
  } catch (error) {
    file.close()
    throw error
  }
}

/** Whether rank, loss and confidence can belong to the prediction, if the class `label` is the right one. */
function areScoresOf(
  { predictions, ranks, losses, confidences }: SampleScores,
  i: number,
  label: number,
): boolean {
  const [right, confidence, share] = [predictions[i] === label, confidences[i]!, Math.exp(-losses[i]!)]
  if (Number.isNaN(confidence) || Number.isNaN(share)) return ranks[i] !== 0 || right
  if ((ranks[i] === 0) !== right) return false
  return right ? Math.abs(share - confidence) <= 1e-6 : share <= confidence + 1e-6
}

function checkHeader(path: string, line: string, subject: EvaluationSubject): void {
  const header = parseJson(`${path}:1`, line) as Record<string, unknown> | null
  if (header?.version !== 1) {
    throw new SosError(
      'ERR_RECORD',
      `${path}: expected the record of an evaluation but its first line is something else; name another file`,
    )
  }
  const expected: Record<string, unknown> = JSON.parse(JSON.stringify({ version: 1, ...subject }))
  for (const key of new Set([...Object.keys(expected), ...Object.keys(header)])) {
    if (isDeepStrictEqual(header[key], expected[key])) continue
    const [came, needed] = [header[key], expected[key]].map((value) =>
      clipped(`${JSON.stringify(value)}`, 300),
    )
    throw new SosError(
      'ERR_RECORD',
      `${path}: expected a record of the same evaluation but its ${clipped(key)} is ${came}, not ${needed}; name another file`,
    )
  }
}

function parseBatch(place: string, line: string, subject: EvaluationSubject): RecordedBatch {
  const parsed = batchSchema.safeParse(parseJson(place, line))
  const models = parsed.data?.models.length
  const expected = parsed.data?.indices.length === 0 ? 0 : subject.models.length
  if (!parsed.success || models !== expected) {
    const reason = parsed.success
      ? `it has the scores of ${models} models instead of ${expected}`
      : z.prettifyError(parsed.error)
    throw new SosError('ERR_RECORD', `${place}: expected a batch but ${reason}`)
  }
  return {
    ...parsed.data,
    models: parsed.data.models.map(({ classes, probabilities, predictions, ranks, losses, confidences }) => ({
      classes,
      probabilities,
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
    throw new SosError(
      'ERR_RECORD',
      `${place}: expected JSON but the line is something else: the record is damaged, begin another`,
      {
        cause,
      },
    )
  }
}

/** Checks that the record has each image at most once, only images to be evaluated, and one number of classes for a model. */
function checkBatches(
  path: string,
  batches: readonly RecordedBatch[],
  { dataset: { size }, images }: EvaluationSubject,
): void {
  const damaged = (what: string) =>
    new SosError('ERR_RECORD', `${path}: expected an undamaged record but it ${what}: begin another`)
  const asked = new Set(evenIndices(size, images))
  const seen = new Set<number>()
  const classes: number[] = []
  for (const { indices, skipped, models } of batches) {
    for (const index of [...indices, ...skipped.map((image) => image.index)]) {
      if (index >= size) throw damaged(`has an image ${index} of ${size}`)
      if (seen.has(index)) throw damaged(`has image ${index} twice`)
      if (!asked.has(index))
        throw damaged(`has image ${index}, which is not among the ${images} images to evaluate`)
      seen.add(index)
    }
    for (const [i, model] of models.entries()) {
      classes[i] ??= model.classes
      if (model.classes !== classes[i]) {
        throw damaged(`has a model with ${classes[i]} classes and later with ${model.classes}`)
      }
    }
  }
}
