import { z } from 'zod'
import { SosError } from '../base/index.js'

/** A larger square would have more pixels than an image may have, which is 178,956,970. */
const largestSide = 13_377

const side = z.int().min(1).max(largestSide).nullable()

/** The schema of a recipe, wherever it comes from. */
export const preprocessSchema = z
  .strictObject({
    channels: z.union([z.literal(1), z.literal(3)]),
    resize: side,
    interpolation: z.enum(['bilinear', 'bicubic']),
    crop: side,
    mean: z.array(z.number()).max(3),
    std: z.array(z.number().positive()).max(3),
  })
  .refine(({ channels, mean, std }) => mean.length === channels && std.length === channels, {
    message: 'expected one number in mean and std for each channel',
  })
  .refine(
    ({ mean, std }) => mean.every((value, i) => [0, 1].every((end) => isFinite32(end, value, std[i]!))),
    {
      message: 'expected mean and std that give values which float32 can represent',
    },
  )

/** Whether (value − mean) / std is finite in float32, in which the addon computes it. */
function isFinite32(value: number, mean: number, std: number): boolean {
  return Number.isFinite(Math.fround(Math.fround(value - Math.fround(mean)) / Math.fround(std)))
}

/**
 * Checks a recipe: its sizes must be from 1 to 13,377 or null, with one finite mean and one positive deviation for each channel.
 *
 * @returns a copy of the recipe
 * @throws `ERR_PREPROCESS` that says what is wrong
 */
export function checkedPreprocess(recipe: unknown): z.infer<typeof preprocessSchema> {
  const parsed = preprocessSchema.safeParse(recipe)
  if (parsed.success) return parsed.data
  const why = parsed.error.issues
    .slice(0, 6)
    .map(({ path, message }) => [...path.map(String), message].join(': '))
    .join('; ')
  throw new SosError('ERR_PREPROCESS', `expected a valid preprocessing but it has errors: ${why}`)
}
