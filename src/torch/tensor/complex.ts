import { inspect } from 'node:util'
import { SosError } from '../../base/index.js'

/** A complex number, as an element or a scalar of a complex tensor. Python writes `1 + 2j`. */
export class Complex {
  /** The real part. */
  readonly re: number
  /** The imaginary part. */
  readonly im: number

  constructor(re: number, im: number) {
    this.re = re
    this.im = im
  }

  /** As Python prints it: `(1+2j)`, and `2j` where the real part is 0. */
  toString(): string {
    const im = `${pythonNumber(this.im)}j`
    if (Object.is(this.re, 0)) return im
    return `(${pythonNumber(this.re)}${im.startsWith('-') ? '' : '+'}${im})`
  }

  /** As a text; JavaScript's own operators, as `a + b`, throw `ERR_DTYPE`: they have no complex numbers. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw new SosError('ERR_DTYPE', `expected a real number but this one is complex: ${this.toString()}`)
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

/** The complex number `re + im·j`. */
export function complex(re: number, im = 0): Complex {
  return new Complex(re, im)
}

/** The shortest text of a float that reads back as the same, as Python writes it: `1e-05`, `inf`, and no `.0`. */
export function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (power >= -4 && power < 16) {
    // JavaScript turns to exponents below 1e-6 and from 1e21 on only.
    return String(value)
  }
  return `${digits}${pythonExponent(power)}`
}

/** `e+05`: Python gives an exponent a sign and two digits at least. */
export function pythonExponent(power: number): string {
  return `e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}
