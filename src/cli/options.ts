import { InvalidArgumentError, Option } from 'commander'

/** A parser for commander that takes whole numbers of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const number = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`)
    }
    return number
  }
}

/** What every command takes that runs a model on images. */
export interface ModelOptions {
  data: string
  preset?: string
  device: string
  json?: boolean
}

export const presetOption = new Option(
  '--preset <name>',
  "preprocessing of one of torchvision's models, for files that do not carry their own",
)

export const deviceOption = new Option('--device <device>', 'cpu, cuda, cuda:1, …').default('cpu')
