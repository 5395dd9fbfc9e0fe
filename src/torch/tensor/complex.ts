import { inspect } from 'node:util'
import { SosError } from '../../base/index.js'

/** A complex number: an element of a complex tensor, or a scalar for an operator. Python writes `1 + 2j`. */
export class Complex {
  /** The real part. */
  readonly re: number
  /** The imaginary part. */
  readonly im: number

  /**
   * Makes a complex number. {@link complex} is shorter.
   *
   * @param re the real part
   * @param im the imaginary part
   */
  constructor(re: number, im: number) {
    this.re = re
    this.im = im
  }

  /** The text that Python prints: `(1+2j)`, or `2j` if the real part is 0. */
  toString(): string {
    const im = `${pythonNumber(this.im)}j`
    if (Object.is(this.re, 0)) return im
    return `(${pythonNumber(this.re)}${im.startsWith('-') ? '' : '+'}${im})`
  }

  /** The number as text. JavaScript's own operators, such as `a + b`, throw `ERR_DTYPE`, since they have no complex numbers. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString()
    throw new SosError(
      'ERR_DTYPE',
      `expected a real number but this one is complex: ${this.toString()}; use the operators of tensors`,
    )
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

/**
 * Makes the complex number `re + im·j`.
 *
 * @param re the real part
 * @param im the imaginary part. Default: 0.
 * @returns the number, for `torch.tensor` and for operators
 * @example
 * console.log(torch.tensor([complex(1, 2)]).mul(complex(0, 1)))
 * // → tensor([-2.+1.j])
 */
export function complex(re: number, im = 0): Complex {
  return new Complex(re, im)
}

/** The shortest text that reads back as the same float, in Python's notation but without `.0`: `1e-05`, `inf`. */
export function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const [digits, exponent] = value.toExponential().split('e') as [string, string]
  const power = Number(exponent)
  if (power >= -4 && power < 16) {
    // JavaScript uses exponents only below 1e-6 and from 1e21 on.
    return String(value)
  }
  return `${digits}${pythonExponent(power)}`
}

/** An exponent in Python's notation, with a sign and at least two digits: `e+05`. */
export function pythonExponent(power: number): string {
  return `e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}
