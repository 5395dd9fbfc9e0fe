import { describe, expect, it } from 'vitest'

import { pageStyle } from '../../src/report/page-style.js'

/** What remains of linear sRGB without one kind of cones: Machado, Oliveira and Fernandes 2009, severity 1. */
const sights: Record<string, number[][]> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
}

const times = (matrix: readonly number[][], vector: readonly number[]) =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i]!, 0))

function linear(colour: string): number[] {
  return [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
}

/** CIELAB under D65. */
function lab(rgb: readonly number[]): number[] {
  const clipped = rgb.map((value) => Math.min(1, Math.max(0, value)))
  const xyz = times(
    [
      [0.4124 / 0.9505, 0.3576 / 0.9505, 0.1805 / 0.9505],
      [0.2126, 0.7152, 0.0722],
      [0.0193 / 1.089, 0.1192 / 1.089, 0.9505 / 1.089],
    ],
    clipped,
  )
  const [x, y, z] = xyz.map((t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116)) as [
    number,
    number,
    number,
  ]
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)]
}

const luminance = (colour: string) => times([[0.2126, 0.7152, 0.0722]], linear(colour))[0]!

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

describe('the colours of series', () => {
  const found = (name: string) =>
    [...pageStyle.matchAll(new RegExp(`--${name}: (#[0-9a-f]{6})`, 'g'))].map(([, c]) => c!)

  it.each([
    ['light', 0],
    ['dark', 1],
  ])('stay apart for readers who lack a kind of cones: the first four, %s', (_, theme) => {
    const colours = [1, 2, 3, 4].map((i) => found(`series-${i}`)[theme]!)
    for (const [sight, matrix] of Object.entries(sights)) {
      const seen = colours.map((colour) => lab(times(matrix, linear(colour))))
      for (let i = 1; i < 4; i++) {
        for (let j = 0; j < i; j++) {
          const distance = Math.hypot(...seen[i]!.map((value, k) => value - seen[j]![k]!))
          expect(distance, `${sight}: ${colours[i]} and ${colours[j]}`).toBeGreaterThan(15)
        }
      }
    }
  })

  it('stand out of the panel by 3 to 1, as WCAG 2.1 asks of graphics', () => {
    for (const theme of [0, 1]) {
      for (let i = 1; i <= 8; i++) {
        expect(contrast(found(`series-${i}`)[theme]!, found('panel')[theme]!)).toBeGreaterThan(3)
      }
    }
  })
})
