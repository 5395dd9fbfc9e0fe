import { describe, expect, it } from 'vitest'
import {
  probeTable,
  runTable,
  type SchemeSummary,
  schemeTable,
  summariseTraining,
  type TrainingRun,
  trainingFindings,
  trainingShiftTable,
} from '../../../src/report/index.js'
import type { RunLine } from '../../../src/train/index.js'

import { epochLine, evaluationLine, probeLine, runLine, shiftLine } from '../../support/run-lines.js'

/** A run of two epochs with these test accuracies, of which both are done. */
const ended = (
  scheme: string,
  seed: number,
  top1: readonly [number, number],
  ...more: RunLine[]
): TrainingRun => ({
  scheme,
  seed,
  lines: [
    runLine(2),
    evaluationLine(0, top1[0], 0.9),
    epochLine(0),
    evaluationLine(1, top1[1], 0.5 + seed / 10),
    ...more,
    epochLine(1, { loss: 0.25, accuracy: 90 }),
  ],
})
const probed = (trace: number, weightNorm: number, nc1 = 2) =>
  probeLine(1, {
    trace: { trace, standardError: 3, probeStandardError: 0, by: 'exact' },
    weightNorm,
    collapse: { nc1, nc2: 0.5, nc3: 0.6, nc4: 0 },
  })

const runs = [
  ended('sgd', 0, [80, 90], probed(100, 4, 1)),
  ended('sgd', 1, [95, 91], probed(110, 5, 2)),
  ended('sgd', 2, [80, 92], probed(120, 6, 3)),
  ended('sgd+sos', 0, [80, 91], probed(60, 3), shiftLine(0), shiftLine(1, { normAfter: 3.2 })),
  ended('sgd+sos', 1, [80, 91.5], probed(50, 3.5), shiftLine(0, { drift: { largest: 2, safe: 0.5 } })),
  ended('sgd+sos', 2, [80, 93.5], probed(40, 4), shiftLine(0, { drift: { largest: 4, safe: 1 } })),
]
const cells = ({ head, rows }: ReturnType<typeof schemeTable>, row: number) =>
  Object.fromEntries(head.map(({ text }, i) => [text, rows[row]![i]]))

describe('summariseTraining', () => {
  it('distinguishes the last evaluation from the best one', () => {
    const [, second] = summariseTraining(runs).runs
    expect(second!.test).toEqual({ top1: 91, loss: 0.6, epoch: 2, bestTop1: 95, bestEpoch: 1, images: 1000 })
    expect(second!.train).toEqual({ loss: 0.25, accuracy: 90 })
    expect([second!.epochs, second!.epochsDone, second!.finished]).toEqual([2, 2, true])
  })

  it('gives means and deviations over the seeds, of n − 1', () => {
    const [sgd, sos] = summariseTraining(runs).schemes as [SchemeSummary, SchemeSummary]
    expect(sgd.top1).toEqual({ mean: 91, sd: 1 })
    expect(sgd.bestTop1!.mean).toBeCloseTo((90 + 95 + 92) / 3, 12)
    expect(sgd.bestTop1!.sd).toBeCloseTo(Math.sqrt(19 / 3), 12)
    expect(sgd.trace).toEqual({ mean: 110, sd: 10 })
    expect(sgd.weightNorm).toEqual({ mean: 5, sd: 1 })
    expect(sgd.nc1).toEqual({ mean: 2, sd: 1 })
    expect(sgd.shifts).toBeNull()
    expect(sos.top1!.mean).toBe(92)
    expect(sos.shifts!.mean).toBeCloseTo(4 / 3, 12)
    // (0.9 + 0.8) / 2, 0.9 and 0.9
    expect(sos.normRatio!.mean).toBeCloseTo((0.85 + 0.9 + 0.9) / 3, 12)
    expect(sos.driftLargest!.mean).toBe(3)
    expect(sos.driftSafe!.mean).toBe(0.75)
  })

  it('pairs X+sos with X by seed, whatever the order', () => {
    const [difference, ...others] = summariseTraining([...runs].reverse()).differences
    expect(others).toEqual([])
    expect([difference!.scheme, difference!.against]).toEqual(['sgd+sos', 'sgd'])
    expect(difference!.top1).toEqual({ mean: 1, sd: 0.5, pairs: 3, higher: 3, lower: 0, against: 91 })
    expect(difference!.trace).toEqual({ mean: -60, sd: 20, pairs: 3, higher: 0, lower: 3, against: 110 })
    expect(difference!.weightNorm).toEqual({
      mean: -1.5,
      sd: 0.5,
      pairs: 3,
      higher: 0,
      lower: 3,
      against: 5,
    })
  })

  it('leaves unfinished runs out of means and differences, and reports how far they are', () => {
    const half = { scheme: 'sgd', seed: 2, lines: runs[2]!.lines.slice(0, 3) }
    const unbegun = { scheme: 'sam', seed: 0, lines: [] }
    const summary = summariseTraining([...runs.slice(0, 2), half, ...runs.slice(3), unbegun])
    const [sgd, , sam] = summary.schemes
    expect([sgd!.runs, sgd!.finished, sgd!.top1!.mean]).toEqual([3, 2, 90.5])
    expect([sam!.runs, sam!.finished, sam!.top1]).toEqual([1, 0, null])
    expect(summary.differences[0]!.top1!.mean).toBe(0.75)
    expect(summary.differences[0]!.top1!.pairs).toBe(2)
    expect(summary.runs[2]).toMatchObject({ epochs: 2, epochsDone: 1, finished: false, probe: null })
    expect(trainingFindings(summary)[0]).toBe(
      '2 of 7 runs are not finished; epochs done: sgd seed 2 (1 of 2), sam seed 0 (not begun). Means and differences are of finished runs only.',
    )
    expect(runTable(summary).rows.map(([scheme, seed, done]) => [scheme, seed, done])).toContainEqual([
      'sam',
      '0',
      'not begun',
    ])
  })

  it('takes the median of the seconds, so that a resumed epoch does not count as a fast one', () => {
    const lines = [2, 3, 0.1, 3, 4].map((seconds, epoch) => epochLine(epoch, { seconds }))
    const [run] = summariseTraining([{ scheme: 'sgd', seed: 0, lines: [runLine(5), ...lines] }]).runs
    expect(run!.secondsAnEpoch).toBe(3)
  })

  it('refuses two runs of one scheme and seed', () => {
    expect(() => summariseTraining([runs[0]!, runs[0]!])).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining('sgd, seed 0'),
      }),
    )
  })
})

describe('the tables of a training', () => {
  const summary = summariseTraining(runs)

  it('have the rows of Table 3', () => {
    expect(cells(schemeTable(summary), 0)).toMatchObject({
      scheme: 'sgd',
      'runs finished': '3 of 3',
      'top-1 (%), last epoch': '91.00 ± 1.00',
      'change by SOS': '–',
      'top-1 (%), best epoch': '92.33 ± 2.52',
      'train loss': '0.25 ± 0',
    })
    expect(cells(schemeTable(summary), 1)).toMatchObject({ 'change by SOS': '+1.00 ± 0.50', pairs: '3' })
    expect(schemeTable(summary).caption).toContain('1000 test images')
  })

  it('have the probes at the end and the shifts', () => {
    const { head, rows, caption } = probeTable(summary)
    expect(head.map(({ text }) => text).slice(0, 5)).toEqual([
      'scheme',
      'tr(H)',
      'change by SOS',
      '‖V‖',
      'change by SOS',
    ])
    expect(rows[1]!.slice(0, 5)).toEqual(['sgd+sos', '50 ± 10', '−60 ± 20', '3.50 ± 0.50', '−1.50 ± 0.50'])
    expect(caption).toContain(
      'piecewise linear network; its standard error over the images is at most 3 in a single run, that of the random vectors at most 0.',
    )
    expect(trainingShiftTable(summary).rows).toEqual([
      ['sgd+sos', '1.3 ± 0.6', '0.8833 ± 0.0289', '3.0 ± 1.4', '75.0 %'],
    ])
  })

  it('name batches that lack a class, and explain each kind of warning once', () => {
    const first = [shiftLine(0, { classesCovered: 9, warnings: ['no gap at 30'] }), shiftLine(1)]
    const second = [shiftLine(0, { warnings: ['no gap at 2.5'] }), shiftLine(1, { warnings: ['rounded'] })]
    const third = [shiftLine(0, { warnings: ['rounded'] })]
    const { rows, caption } = runTable(
      summariseTraining(
        [first, second, third].map((lines, seed) => ended('sgd+sos', seed, [1, 2], ...lines)),
      ),
    )
    expect(rows.map((row) => row.at(-1))).toEqual([
      '1 of 2 batches without some class; 1 of 2 shifts with warning (a)',
      '2 of 2 shifts with warning (a)',
      '1 of 1 shifts with warning (b)',
    ])
    expect(caption).toMatch(/ Warnings: \(a\) for example, no gap at 30; \(b\) for example, rounded\.$/)
  })
})

describe('trainingFindings', () => {
  const told = (...some: TrainingRun[]) => trainingFindings(summariseTraining(some)).join('\n')

  it('says where the paired difference exceeds its spread, and what that is worth', () => {
    const text = told(...runs)
    expect(text).toContain(
      'Highest mean top-1 after the last epoch: sgd+sos, 92.00 ± 1.32 % (3 runs); next: sgd, 91.00 ± 1.00 % (3 runs).',
    )
    expect(text).toContain('top-1 changes by +1.00 ± 0.50 percentage points (n = 3; higher in 3, lower in 0)')
    expect(text).toContain('with 3 seeds chance alone does that in 22.5 % of comparisons')
    expect(text).toContain(
      'tr(H) at the end is lower with sgd+sos than with sgd in 3 of 3 pairs: −60 ± 20, −54.5 %',
    )
    expect(text).toContain(
      '‖V‖ at the end is lower with sgd+sos than with sgd in 3 of 3 pairs: −1.50 ± 0.50, −30.0 %',
    )
    expect(text).toContain('a shift shrinks ‖V‖ by 11.67 % on average')
    expect(text).not.toContain('no difference')
  })

  it('says that runs show no difference if they do not', () => {
    const text = told(
      ended('sam', 0, [80, 90], probed(100, 4)),
      ended('sam', 1, [80, 92], probed(100, 4)),
      ended('sam+sos', 0, [80, 91], probed(130, 4)),
      ended('sam+sos', 1, [80, 91.5], probed(90, 4)),
    )
    expect(
      text.match(/within its standard deviation over the seeds: these runs show no difference/g),
    ).toHaveLength(2)
    expect(text).toContain('in 1 of 2 pairs: +10 ± 28, +10.0 %; these runs show no difference')
    expect(text).toContain('in 0 of 2 pairs: 0 ± 0, 0.0 %; these runs show no difference')
  })

  it('says that one pair says nothing, and that schemes without a common seed cannot be paired', () => {
    expect(told(runs[0]!, runs[3]!)).toContain('One pair of runs says nothing about chance')
    const apart = told(runs[0]!, runs[4]!)
    expect(apart).toContain('They have no seed in common.')
    expect(apart).toContain('no seed has finished runs of both yet')
  })

  it('reports runs that diverged, and that no run has begun', () => {
    const lost = { scheme: 'sgd', seed: 7, lines: [runLine(1), epochLine(0, { loss: Number.NaN })] }
    expect(told(lost)).toContain('became NaN or infinite in sgd seed 7: this run diverged')
    expect(told()).toBe('No run has begun.')
  })
})
