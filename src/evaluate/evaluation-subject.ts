import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { count, expectList, SosError } from '../base/index.js'
import type { Dataset, Preprocess } from '../data/index.js'
import { expectDataset, labelsSha256 } from '../data/internal.js'
import type { OutputKind, OutputOptions } from '../model/index.js'

/** What is evaluated: a record is continued only with the same. */
export interface EvaluationSubject {
  /** The models, in their order; SHA-256 of their files, in hexadecimal. */
  readonly models: readonly { readonly path: string; readonly sha256: string }[]
  readonly dataset: {
    readonly name: string
    readonly size: number
    /** Of the labels as little-endian int32, in hexadecimal. */
    readonly labelsSha256: string
  }
  readonly preprocess: Preprocess
  /** Images to evaluate, spread evenly over the dataset. */
  readonly images: number
  /** What the models return. */
  readonly outputs: OutputKind
  /** Which item of what they return it is, by its name; null where they return one tensor. */
  readonly output: string | null
}

/**
 * Describes an evaluation for its record; the models' files are read whole.
 *
 * @param models paths of the files that the models were loaded from, in their order
 * @param options as those of the evaluation
 * @throws `ERR_FILE_UNREADABLE`
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
    throw new SosError('ERR_FILE_UNREADABLE', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
    })
  }
  return hash.digest('hex')
}
