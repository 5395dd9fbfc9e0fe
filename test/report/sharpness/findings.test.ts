import { describe, expect, it } from 'vitest'
import { type SharpnessRecord, sharpnessFindings } from '../../../src/report/index.js'

import { only, record } from './record.js'

type Change = Partial<NonNullable<SharpnessRecord['difference']>['trace']>
const changed = (trace: Change): SharpnessRecord => ({
  ...record,
  difference: { trace: { ...record.difference.trace!, ...trace } },
})
const first = (one: SharpnessRecord) => sharpnessFindings(one)[0]!

describe('sharpnessFindings', () => {
  it('says nothing of a difference within twice its error over the images', () => {
    expect(first(record)).toBe(
      'tr(H) of after.pt less that of before.pt is +0.3 ± 1.9 over the images, ± 0.2 over the probes: nothing can be said, since this is less than twice the standard error.',
    )
    // The error over the images counts, not the smaller one over the vectors.
    expect(first(changed({ value: 3.7 }))).toContain('nothing can be said')
  })

  it('says that a difference of unlike traces is left out', () => {
    const { difference: _, ...apart } = record
    const compare = { ...record.compare!, trace: { ...record.compare!.trace!, method: 'Hutchinson' } }
    expect(first({ ...apart, compare })).toMatch(
      /is left out: .* \(.*; Hutchinson\), so that nothing is paired\.$/,
    )
  })

  it('says which way a larger difference goes', () => {
    expect(first(changed({ value: -3.9 }))).toMatch(
      /: it is smaller by more than twice the standard error\.$/,
    )
    expect(first(changed({ value: 3.9 }))).toMatch(/: it is larger by more than twice the standard error\.$/)
    expect(first(changed({ value: 0, standardError: 0, probeStandardError: 0 }))).toContain(
      'there is no difference',
    )
  })

  it('says that a difference holds for these images alone, if its error over the images is not known', () => {
    const told = first(changed({ value: -11.1, standardError: null, probeStandardError: 2 }))
    expect(told).toContain('is −11.1 ± 2 over the probes: it is smaller')
    expect(told).toContain('This holds for these images alone')
  })

  it('says what a trace consists of, how its images were drawn, and why it was slow', () => {
    const errors = { standardError: 1, probeStandardError: null }
    const parts = {
      gaussNewton: { value: 12, ...errors },
      rest: { value: -2, probeStandardError: 0.5, probes: 32 },
    }
    const trace = { ...record.trace!, standardError: null, probeStandardError: null, parts }
    expect(sharpnessFindings({ ...only(), trace })).toEqual([
      'tr(H) of before.pt is 10, from 4096 images. The network is not piecewise linear: 12 ± 1 over the images are of the Gauss-Newton part, and −2 ± 0.5 over the probes of the rest.',
    ])
    const drawn = { ...record.trace!, sampling: 'confidence' as const, effectiveSamples: 20_000 }
    expect(sharpnessFindings({ ...only(), trace: { ...drawn, oneByOne: 'there is no rule for x' } })).toEqual(
      [
        'tr(H) of before.pt is 10 ± 1.5 over the images, ± 0.25 over the probes, from 4096 images that were drawn by confidence, which tell as much as 20000 drawn uniformly. The images were taken one at a time: there is no rule for x.',
      ],
    )
  })

  it('judges a difference of two parts by what is known of both', () => {
    const parts = {
      gaussNewton: { value: 5, standardError: 3, probeStandardError: 0 },
      rest: { value: 1, probeStandardError: 4, probes: 32 },
    }
    const given = { standardError: null, probeStandardError: 4, parts }
    // The error is at least √(3² + 4²) = 5.
    expect(first(changed({ value: 9.9, ...given }))).toContain('nothing can be said')
    expect(first(changed({ value: 10.1, ...given }))).toContain('it is larger by more than twice')
    expect(first(changed({ value: 10.1, ...given }))).toContain(
      'Of it, +5 ± 3 over the images are of the Gauss-Newton part, and +1 ± 4 over the probes of the rest, whose error over the images is not known.',
    )
  })

  it('says nothing of a difference of which no error is known', () => {
    const told = first(changed({ standardError: null, probeStandardError: null }))
    expect(told).toContain('is +0.3: nothing can be said, since no error of it is known')
  })

  it('says how the largest eigenvalue changes, and which eigenvalues have converged', () => {
    const told = sharpnessFindings(record)
    expect(told).toContainEqual(
      expect.stringContaining('λ₁, is 5 for before.pt and 4.5 for after.pt (−10.00 %) on these 4096 images'),
    )
    expect(told).toContainEqual(
      '5 of 6 eigenvalues of before.pt have converged, after 40 products. Each of the others is known up to its residual, which is at most 0.05.',
    )
    // 5 + 2 + 1 + 0.5 − 0.2 + 0.1 of 10.
    expect(told).toContain('The 6 largest eigenvalues of before.pt add up to 8.4, 84.0 % of tr(H).')
  })

  it('names the rounding of the dtype if more products would not help', () => {
    const [told] = sharpnessFindings({ ...only('eigenvalues'), floor: 0.01 }).slice(-1)
    expect(told).toContain('near the rounding of the dtype, 0.01, so that more products would not help')
  })

  it('says how much of the spectrum is near zero, with the outliers', () => {
    const density = { nodes: [-1, 0, 0.001, 3], weights: [0.2, 0.3, 0.1, 0.2], size: 10, products: 9 }
    const outliers = [-4, 0.003].map((value) => ({ value, residual: 0, converged: true }))
    // A thousandth of 4: 0 and 0.001 with 0.4, and one outlier of ten; below it −1 with 0.2, and the other.
    expect(sharpnessFindings({ ...only('density'), size: 10, density: { ...density, outliers } })).toEqual([
      'Of the eigenvalues of before.pt, 50.0 % lie between −0.004 and 0.004, a thousandth of the largest magnitude; 30.0 % lie below that.',
    ])
  })

  it('says how much the loss rises near the weights, and whether two models differ', () => {
    const told = sharpnessFindings(record)
    expect(told).toContain(
      'Within a radius 0.05 of before.pt the loss rises from 0.2 by 0.4 ± 0.05 over the images or more: gradient ascent finds a lower bound.',
    )
    expect(told).toContain(
      'In random directions of a radius 0.05 the loss of after.pt changes by 0.009 ± 0.002 over the images, ± 0.001 over the directions on average, from 0.2.',
    )
    expect(told).toContainEqual(
      expect.stringMatching(
        /worst direction found of after.pt less .* is −0.04 ± 0.03 .*nothing can be said/,
      ),
    )
    expect(told).toContainEqual(
      expect.stringMatching(/in random directions of after.pt less .* is −0.001 ± .*: it is smaller/),
    )
  })

  it('calls the matrix by its name', () => {
    for (const [operator, symbol] of [
      ['ggn', 'G'],
      ['fisher', 'F'],
      ['empirical-fisher', 'E'],
    ] as const) {
      expect(sharpnessFindings({ ...only('trace'), operator })[0]).toMatch(`tr(${symbol}) of before.pt is 10`)
    }
  })

  it('tells two models of one name apart', () => {
    const told = sharpnessFindings({ ...record, compare: { ...record.compare!, model: 'other/before.pt' } })
    expect(told.join(' ')).toContain('tr(H) of other/before.pt (second) less that of runs/before.pt (first)')
  })
})
