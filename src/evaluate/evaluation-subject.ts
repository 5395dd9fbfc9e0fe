import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { count, expectList, SosError } from '../base/index.js'
import type { Dataset, Preprocess } from '../data/index.js'
import { expectDataset, labelsSha256 } from '../data/internal.js'
import type { OutputKind, OutputOptions } from '../model/index.js'

/** What an evaluation is about: models, dataset and preprocessing. A record continues only an evaluation of the same. */
export interface EvaluationSubject {
  /** The models in their order, with the SHA-256 of their files in hexadecimal. */
  readonly models: readonly { readonly path: string; readonly sha256: string }[]
  readonly dataset: {
    readonly name: string
    readonly size: number
    /** The SHA-256 of the labels as little-endian int32, in hexadecimal. */
    readonly labelsSha256: string
  }
  readonly preprocess: Preprocess
  /** How many images are evaluated, spread evenly over the dataset. */
  readonly images: number
  /** Whether the models return logits or probabilities. */
  readonly outputs: OutputKind
  /** The name of the item of their output that is used; null if the output is one tensor. */
  readonly output: string | null
}

/**
 * Describes an evaluation for its record. The files of the models are read completely.
 *
 * @param models the paths of the files that the models were loaded from, in their order
 * @param dataset the dataset of the evaluation
 * @param preprocess the preprocessing of its images
 * @param options `limit`, `outputs` and `output` of the evaluation. Default: none
 * @returns the description, for `EvaluationRecord.create` and `EvaluationRecord.resume`
 * @throws `ERR_FILE_UNREADABLE` if the file of a model cannot be read, `ERR_INVALID_ARGUMENT`
 * @example
 * const subject = await evaluationSubject(['assets/fashion-resnet.pt'], test, preprocess, { limit: 20 })
 * console.log(subject.images, subject.outputs, subject.models[0]!.sha256.length) // → 20 logits 64
 */
export async function evaluationSubject(
  models: readonly string[],
  dataset: Dataset,
  preprocess: Preprocess,
  options: { limit?: number; outputs?: OutputKind } & OutputOptions = {},
): Promise<EvaluationSubject> {
  const { limit, outputs = 'logits', output } = options
  expectDataset('dataset', dataset)
  expectList('models', models)
  if (limit !== undefined) count('limit', limit)
  const { name, size } = dataset
  return {
    models: await Promise.all(models.map(async (path) => ({ path, sha256: await fileSha256(path) }))),
    dataset: { name, size, labelsSha256: labelsSha256(dataset) },
    preprocess,
    images: Math.min(limit ?? size, size),
    outputs,
    output: output === undefined ? null : String(output),
  }
}

async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path), hash)
  } catch (cause) {
    throw new SosError(
      'ERR_FILE_UNREADABLE',
      `${path}: the file cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
  return hash.digest('hex')
}
