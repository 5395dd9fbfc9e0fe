import { z } from 'zod'
import { SosError } from '../base/index.js'

/** A square of more than this side has more pixels than an image may have, 178,956,970. */
const largestSide = 13_377

const side = z.int().min(1).max(largestSide).nullable()

/** What a recipe must be, wherever it comes from. */
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
    message: 'mean and std need one number for each channel',
  })
  .refine(
    ({ mean, std }) => mean.every((value, i) => [0, 1].every((end) => isFinite32(end, value, std[i]!))),
    {
      message: 'mean and std must leave values that float32 holds',
    },
  )

/** Whether (value − mean) / std is finite by the operations of float32, which the addon uses. */
function isFinite32(value: number, mean: number, std: number): boolean {
  return Number.isFinite(Math.fround(Math.fround(value - Math.fround(mean)) / Math.fround(std)))
}

/**
 * The recipe, copied, where it is one: sizes from 1 to 13,377 or null, one finite mean and one positive deviation for each channel.
 *
 * @throws `ERR_PREPROCESS` that names what is wrong
 */
export function checkedPreprocess(recipe: unknown): z.infer<typeof preprocessSchema> {
  const parsed = preprocessSchema.safeParse(recipe)
  if (parsed.success) return parsed.data
  const why = parsed.error.issues
    .slice(0, 6)
    .map(({ path, message }) => [...path.map(String), message].join(': '))
    .join('; ')
  throw new SosError('ERR_PREPROCESS', `the preprocessing does not go together: ${why}`)
}
