import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Preprocess } from '../../data/index.js'

/** A parser for commander that takes whole numbers from `least` to `most`. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`
  return (text) => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least || number > most) {
      throw new InvalidArgumentError(`Expected a whole number ${range}.`)
    }
    return number
  }
}

/** What every command takes that runs a model on images. */
export interface ModelOptions {
  data: string
  preset?: string
  resize?: number | 'none'
  interpolation?: Preprocess['interpolation']
  crop?: number | 'none'
  mean?: number[]
  std?: number[]
  skipCorrupt?: boolean
  classes?: string
  output?: string
  device: string
  json?: boolean
}

export const outputsOption = new Option(
  '--outputs <kind>',
  'what the models return; log-softmax outputs are logits',
)
  .choices(['logits', 'probabilities'])
  .default('logits')

export const outputOption = new Option(
  '--output <item>',
  'the logits among what the models return: the place in a tuple or list, from 0, the key of a dictionary, or the field of a NamedTuple; aux.0 for an item of an item',
)

/** Of the command whose forwards take as many images by default: an option belongs to one command. */
export function chunkOption(images: number): Option {
  return new Option('--chunk <n>', 'images in one forward').argParser(wholeNumber(1)).default(images)
}

export const presetOption = new Option(
  '--preset <name>',
  "preprocessing of one of torchvision's models, for files that do not carry their own",
)

export const deviceOption = new Option('--device <device>', 'cpu, cuda, cuda:1, …').default('cpu')

/**
 * Adds what says how images are read beside {@link presetOption}, whose parts the first five change, and which outputs of the model
 * their classes are.
 */
export function addImageOptions(command: Command): void {
  command
    .option('--resize <n>', 'the shorter side after resizing, in pixels, or none', pixels)
    .addOption(new Option('--interpolation <how>', 'of the resizing').choices(['bilinear', 'bicubic']))
    .option('--crop <n>', 'the side of the square from the centre, in pixels, or none', pixels)
    .option('--mean <a,b,c>', 'of each channel, for values scaled to [0, 1]', numbers)
    .option('--std <a,b,c>', 'of each channel, for values scaled to [0, 1]', numbers)
    .option(
      '--classes <file>',
      "what the dataset calls the model's outputs, one a line in their order, or `imagenet` for its 1000 synsets (default: as the model's sos.json does, else by the dataset's own order)",
    )
    .option('--skip-corrupt', 'leave corrupt images out, and count them, instead of stopping')
}

/** What the options of {@link addImageOptions} change of the preprocessing. */
export function preprocessChanges(options: ModelOptions): Partial<Preprocess> {
  const { resize, interpolation, crop, mean, std } = options
  const given = Object.entries({ resize, interpolation, crop, mean, std })
  return Object.fromEntries(
    given
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, value === 'none' ? null : value]),
  )
}

/** Not null for `none`: commander takes that for a value that is missing. */
function pixels(text: string): number | 'none' {
  return text === 'none' ? text : wholeNumber(1)(text)
}

function numbers(text: string): number[] {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  if (values.every(Number.isFinite)) return values
  throw new InvalidArgumentError('Expected numbers with commas between them, as 0.485,0.456,0.406.')
}
