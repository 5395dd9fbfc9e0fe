import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { clipped, expectText, parseForeignJson, SosError } from '../../base/index.js'

const error = z.number().nonnegative()
const whole = z.int().nonnegative()
const count = z.int().positive()
const text = z.string()

const layerTrace = z.strictObject({ path: text, value: z.number(), standardError: error.nullable() })

const value = {
  value: z.number(),
  /** The standard error over the images, which contains that of the random probes; null if the method does not know it. */
  standardError: error.nullable(),
  /** The standard error over the random probes, for these images alone: 0 if there are none; null if it is not known. */
  probeStandardError: error.nullable(),
}

const traced = {
  ...value,
  /** What the sum consists of, if its parts were measured in different ways. */
  parts: z
    .strictObject({
      gaussNewton: z.strictObject(value),
      rest: z.strictObject({ value: z.number(), probeStandardError: error, probes: count }),
    })
    .optional(),
  /** How it was measured, in words. */
  method: text,
  byLayer: z.array(layerTrace).optional(),
}

const trace = z.strictObject({
  ...traced,
  /** The number of images. */
  samples: count,
  /** How they were drawn. */
  sampling: z.enum(['uniform', 'confidence']),
  /** How many images of uniform draws would give the same standard error, if they were drawn by confidence. */
  effectiveSamples: z.number().positive().optional(),
  /** The number of random combinations for each image, or `exact`; for a trace by random vectors their number. */
  probes: z.union([count, z.literal('exact')]),
  /** Why the images were taken one at a time, if they were. */
  oneByOne: text.optional(),
})

/** The second model less the first. */
const difference = z.strictObject(traced)

const eigenvalue = z.strictObject({ value: z.number(), residual: error, converged: z.boolean() })

const density = z
  .strictObject({
    nodes: z.array(z.number()),
    weights: z.array(error),
    outliers: z.array(eigenvalue),
    size: count,
    products: count,
  })
  .refine(({ nodes, weights }) => nodes.length === weights.length, {
    message: 'expected as many weights as nodes',
  })
  .refine(({ nodes, outliers }) => nodes.length + outliers.length > 0, { message: 'expected a node' })

const rise = {
  /** How much the mean loss rises. */
  value: z.number(),
  /** The standard error over the images, at the places that were found; null for one image. */
  standardError: error.nullable(),
  /** The mean loss at the weights. */
  loss: z.number(),
  /** The radius. */
  rho: z.number().positive(),
  /** Whether the radius is relative to the weights. */
  adaptive: z.boolean(),
  samples: count,
}

const riseDifference = { value: z.number(), standardError: error.nullable() }

const measured = {
  model: text,
  trace: trace.optional(),
  eigenvalues: z.array(eigenvalue).min(1).optional(),
  /** How many products the eigenvalues took. */
  products: count.optional(),
  /** Below so large a residual, the eigenvalues are at the rounding of the model's dtype. */
  floor: error.optional(),
  density: density.optional(),
  /** The largest rise of the loss that was found in a ball around the weights. */
  worstCase: z.strictObject({ ...rise, steps: count, gradientNorm: error }).optional(),
  /** The mean rise of the loss in random directions. */
  average: z.strictObject({ ...rise, probeStandardError: error, probes: count }).optional(),
  /** The parameters that are left out, because no gradient reaches them. */
  withoutGradient: z.array(text),
}

const recordSchema = z.strictObject({
  ...measured,
  dataset: text,
  operator: z.enum(['hessian', 'ggn', 'fisher', 'empirical-fisher']),
  /** A name or a pattern of the parameters that the matrix is restricted to. */
  parameters: text.optional(),
  /** The matrices are size × size. */
  size: count,
  /** The number of images whose mean loss is measured. */
  samples: count,
  seed: whole,
  compare: z.strictObject(measured).optional(),
  difference: z
    .strictObject({
      trace: difference.optional(),
      worstCase: z.strictObject(riseDifference).optional(),
      average: z.strictObject({ ...riseDifference, probeStandardError: error }).optional(),
    })
    .optional(),
})

/** What `sos sharpness --json` prints: the sharpness of one model, or of two on the same images. */
export type SharpnessRecord = z.infer<typeof recordSchema>

/** The part of a {@link SharpnessRecord} that belongs to one model. */
export type ModelSharpness = NonNullable<SharpnessRecord['compare']>

/** A trace in a {@link SharpnessRecord}. */
export type TraceResult = NonNullable<SharpnessRecord['trace']>

/** A difference of two traces in a {@link SharpnessRecord}. */
export type TraceDifference = NonNullable<NonNullable<SharpnessRecord['difference']>['trace']>

/**
 * Reads a record of sharpness, which is what `sos sharpness --json` printed or the `sharpness.json` of a report.
 *
 * @param path the file
 * @returns the record
 * @throws `ERR_FILE_NOT_FOUND`; `ERR_FILE_UNREADABLE`; `ERR_RECORD` if the file is not such a record
 * @example
 * await readSharpnessRecord('missing.json').catch(({ code }) => console.log(code)) // → ERR_FILE_NOT_FOUND
 */
export async function readSharpnessRecord(path: string): Promise<SharpnessRecord> {
  expectText('path', path)
  const content = await readFile(path, 'utf8').catch((cause) => {
    const code = cause.code === 'ENOENT' ? 'ERR_FILE_NOT_FOUND' : 'ERR_FILE_UNREADABLE'
    throw new SosError(code, `${path}: cannot be read: ${cause.message}`, { cause })
  })
  let json: unknown
  try {
    json = parseForeignJson(content)
  } catch (cause) {
    throw new SosError('ERR_RECORD', `${path}: it is not valid JSON: ${(cause as Error).message}`, { cause })
  }
  const parsed = recordSchema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new SosError(
    'ERR_RECORD',
    `${path}: expected what \`sos sharpness --json\` prints:\n${clipped(z.prettifyError(parsed.error), 2000)}`,
  )
}
