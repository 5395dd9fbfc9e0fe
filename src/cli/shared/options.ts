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

/** A parser for commander that takes a number above 0, up to 1. */
export function share(text: string): number {
  const number = plainNumber(text)
  if (number > 0 && number <= 1) return number
  throw new InvalidArgumentError('Expected a number above 0 and at most 1, such as 0.001.')
}

/** A parser for commander that takes a number above 0. */
export function positiveNumber(text: string): number {
  const number = plainNumber(text)
  if (number > 0 && Number.isFinite(number)) return number
  throw new InvalidArgumentError('Expected a number above 0, such as 0.05.')
}

/** A number in the usual notation; NaN for other texts. */
function plainNumber(text: string): number {
  return /^\d*\.?\d+(e-?\d+)?$/i.test(text) ? Number(text) : Number.NaN
}

/** The options of every command that runs a model on images. */
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
  'what the models return; outputs of log-softmax are logits',
)
  .choices(['logits', 'probabilities'])
  .default('logits')

export const outputOption = new Option(
  '--output <item>',
  'which item of the output is the logits, if the model returns several: its place in a tuple or list (counted from 0), its key in a dictionary, its field in a NamedTuple, or a path such as aux.0',
)

/** The option `--chunk` with its default, made anew for each command, since an option belongs to one command. */
export function chunkOption(images: number): Option {
  return new Option('--chunk <n>', 'number of images in one forward pass; less needs less memory')
    .argParser(wholeNumber(1))
    .default(images)
}

export const presetOption = new Option(
  '--preset <name>',
  'the torchvision model whose preprocessing is used, for example resnet50; needed for files that do not carry their own',
)

export const deviceOption = new Option(
  '--device <device>',
  'where the model runs: cpu, cuda, cuda:1, …',
).default('cpu')

/**
 * Adds the options that say how images are read and which output each class belongs to. The first five change parts of the preprocessing
 * of {@link presetOption}.
 */
export function addImageOptions(command: Command): void {
  command
    .option('--resize <n>', 'length of the shorter side after resizing, in pixels, or none', pixels)
    .addOption(
      new Option('--interpolation <how>', 'interpolation for the resizing').choices(['bilinear', 'bicubic']),
    )
    .option('--crop <n>', 'side of the square that is cut from the centre, in pixels, or none', pixels)
    .option('--mean <a,b,c>', 'mean of each channel, for values scaled to [0, 1]', numbers)
    .option('--std <a,b,c>', 'standard deviation of each channel, for values scaled to [0, 1]', numbers)
    .option(
      '--classes <file>',
      "a file with the dataset's class name for each output of the model, one a line, or `imagenet` for its 1000 synsets (default: the names in the model's sos.json, otherwise the dataset's own order)",
    )
    .option('--skip-corrupt', 'leave corrupt images out and count them, instead of stopping')
}

/** The changes of the preprocessing that the options of {@link addImageOptions} ask for. */
export function preprocessChanges(options: ModelOptions): Partial<Preprocess> {
  const { resize, interpolation, crop, mean, std } = options
  const given = Object.entries({ resize, interpolation, crop, mean, std })
  return Object.fromEntries(
    given
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, value === 'none' ? null : value]),
  )
}

/** `none` stays a text, because commander takes null for a missing value. */
function pixels(text: string): number | 'none' {
  return text === 'none' ? text : wholeNumber(1)(text)
}

function numbers(text: string): number[] {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  if (values.every(Number.isFinite)) return values
  throw new InvalidArgumentError('Expected numbers separated by commas, such as 0.485,0.456,0.406.')
}
