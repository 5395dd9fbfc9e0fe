import type { Spread } from '../base/index.js'

// Numbers as a page or a terminal shows them, with a true minus sign and without digits that mean nothing.

/** A number with so many decimal places. */
export const fixed = (value: number, digits = 2): string => minus(value.toFixed(digits))

/** A number with its sign, + included. */
export const signed = (value: number, digits = 2): string => {
  const text = fixed(value, digits)
  return Number(value.toFixed(digits)) > 0 ? `+${text}` : text.replace(/^−(0(?:\.0+)?)$/, '$1')
}

/** Four significant digits, with an exponent for very small and very large numbers. */
export const figure = (value: number, digits = 4): string => {
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return minus(value.toExponential(2))
  return minus(String(Number(value.toPrecision(digits))))
}

/** The same with its sign, + included. */
export const signedFigure = (value: number): string => (value > 0 ? `+${figure(value)}` : figure(value))

/** A number ± its error, in four significant digits each. */
export const plusMinus = (value: number, error: number): string => `${figure(value)} ± ${figure(error)}`

/** Mean ± standard deviation, or the mean alone if there is one draw. */
export const spread = ({ mean, sd }: Spread, digits = 2): string =>
  sd === null ? fixed(mean, digits) : `${fixed(mean, digits)} ± ${fixed(sd, digits)}`

/** The same for a quantity of any size: two significant digits of the deviation, and as many decimal places of the mean. */
export const figureSpread = ({ mean, sd }: Spread): string => {
  if (sd === null) return figure(mean)
  const places = 1 - Math.floor(Math.log10(sd))
  if (sd === 0 || Math.abs(mean) < 1e-3 || !(places <= 6)) return `${figure(mean)} ± ${figure(sd, 2)}`
  return spread({ mean, sd }, Math.max(0, places))
}

/** A difference: its mean with its sign ± standard deviation. */
export const signedSpread = ({ mean, sd }: Spread, digits = 2): string =>
  sd === null ? signed(mean, digits) : `${signed(mean, digits)} ± ${fixed(sd, digits)}`

/** A difference of a quantity of any size. */
export const signedFigures = ({ mean, sd }: Spread): string =>
  `${mean > 0 ? '+' : ''}${figureSpread({ mean, sd })}`

/** Whole numbers: the number itself if it is the same in all draws. */
export const wholeSpread = (value: Spread): string =>
  value.sd === 0 ? fixed(value.mean, 0) : spread(value, 1)

/** A share from 0 to 1 in per cent. It is 100 only if the share is 1 exactly. */
export const share = (value: number): string => {
  const inPercent = 100 * value
  return value < 1 && inPercent >= 99.95 ? '> 99.9 %' : percent(inPercent, 1)
}

/** A number in per cent; a dash for null, and for NaN such as a share of nothing. */
export const percent = (value: number | null, digits = 2): string =>
  value !== null && Number.isFinite(value) ? `${fixed(value, digits)} %` : '–'

/** A difference in per cent. */
export const signedPercent = (value: number, digits = 2): string =>
  Number.isFinite(value) ? `${signed(value, digits)} %` : '–'

/** A p-value. Below 1e−300, doubles lose their digits and then become 0. */
export const pValue = (value: number): string => {
  if (value < 1e-300) return '< 1e−300'
  if (value < 1e-4) return value.toExponential(0).replace('-', '−')
  return Number(value.toPrecision(2)).toString()
}

/** A number with its noun, for example `1 run` or `3 runs`. */
export const count = (number: number, noun: string, nouns = `${noun}s`): string =>
  `${number} ${number === 1 ? noun : nouns}`

const minus = (text: string): string => text.replaceAll('-', '−')
