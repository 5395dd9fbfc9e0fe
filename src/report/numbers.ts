import type { Spread } from '../base/index.js'

// Numbers as a page or a terminal shows them: a true minus sign, and no more digits than they carry.

export const fixed = (value: number, digits = 2): string => minus(value.toFixed(digits))

/** With its sign, also where it is positive. */
export const signed = (value: number, digits = 2): string => {
  const text = fixed(value, digits)
  return Number(value.toFixed(digits)) > 0 ? `+${text}` : text.replace(/^−(0(?:\.0+)?)$/, '$1')
}

/** Four significant digits, or an exponent where they would not show it. */
export const figure = (value: number, digits = 4): string => {
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return minus(value.toExponential(2))
  return minus(String(Number(value.toPrecision(digits))))
}

/** Mean ± standard deviation; the mean alone of one draw. */
export const spread = ({ mean, sd }: Spread, digits = 2): string =>
  sd === null ? fixed(mean, digits) : `${fixed(mean, digits)} ± ${fixed(sd, digits)}`

/** The same of a quantity of any size: two digits of the deviation that count, and as many places of the mean. */
export const figureSpread = ({ mean, sd }: Spread): string => {
  if (sd === null) return figure(mean)
  const places = 1 - Math.floor(Math.log10(sd))
  if (sd === 0 || Math.abs(mean) < 1e-3 || !(places <= 6)) return `${figure(mean)} ± ${figure(sd, 2)}`
  return spread({ mean, sd }, Math.max(0, places))
}

/** A difference: its mean with its sign, ± standard deviation. */
export const signedSpread = ({ mean, sd }: Spread, digits = 2): string =>
  sd === null ? signed(mean, digits) : `${signed(mean, digits)} ± ${fixed(sd, digits)}`

/** A difference of a quantity of any size. */
export const signedFigures = ({ mean, sd }: Spread): string =>
  `${mean > 0 ? '+' : ''}${figureSpread({ mean, sd })}`

/** Of whole numbers: the number itself where all draws have the same. */
export const wholeSpread = (value: Spread): string =>
  value.sd === 0 ? fixed(value.mean, 0) : spread(value, 1)

/** A share from 0 to 1 in per cent; it says 100 only where it is all. */
export const share = (value: number): string => {
  const inPercent = 100 * value
  return value < 1 && inPercent >= 99.95 ? '> 99.9 %' : percent(inPercent, 1)
}

/** What is in per cent already; a dash for what is no number, as the share of nothing. */
export const percent = (value: number, digits = 2): string =>
  Number.isFinite(value) ? `${fixed(value, digits)} %` : '–'

/** A difference in per cent. */
export const signedPercent = (value: number, digits = 2): string =>
  Number.isFinite(value) ? `${signed(value, digits)} %` : '–'

/** Below 1e−300 doubles have no digits left to tell it by, and then are 0. */
export const pValue = (value: number): string => {
  if (value < 1e-300) return '< 1e−300'
  if (value < 1e-4) return value.toExponential(0).replace('-', '−')
  return Number(value.toPrecision(2)).toString()
}

export const count = (number: number, noun: string, nouns = `${noun}s`): string =>
  `${number} ${number === 1 ? noun : nouns}`

const minus = (text: string): string => text.replaceAll('-', '−')
