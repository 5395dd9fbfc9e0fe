import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  evaluateDuringTraining,
  probeDuringTraining,
  recordRun,
  ScriptModule,
  sgd,
  sosDuringTraining,
  Trainer,
} from '../../../src/index.js'
import { type RunLine, readRunRecord, type TrainerOptions } from '../../../src/train/index.js'
import { formatLine, parseLines } from '../../../src/train/plugins/run-record.js'

import { vectors } from '../../support/datasets.js'
import { fixture, temporaryFolder } from '../../support/paths.js'
import { epochLine, evaluationLine, probeLine, runLine, shiftLine } from '../../support/run-lines.js'

const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const options = {
  data: vectors(40),
  epochs: 5,
  batchSize: 20,
  optimizer: sgd({ learningRate: 0.05, momentum: 0.5 }),
}
const trainer = async (more: Partial<TrainerOptions> = {}) =>
  new Trainer(await load(), { ...options, ...more })
const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('the folder of a record', () => {
  it('that cannot be made is an error with a code, and trains nothing', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    const training = await trainer({ epochs: 1 })
    training.use(recordRun(join(file, 'runs', 'run.jsonl')))
    await expect(training.run()).rejects.toThrow(refusal('ERR_OUTPUT', /the folder cannot be created/))
    expect(readFileSync(file, 'utf8')).toBe('')
  })
})

describe('the record of a run', () => {
  it('has the fields of each event', async () => {
    const path = join(temporaryFolder(), 'deeper', 'run.jsonl')
    const one = await trainer({ epochs: 1 })
    const expected: RunLine[] = [{ event: 'run', epochs: 1, batchesPerEpoch: 2, about: {} }]
    one.on('shift', ({ epoch, shift, momentum }) => {
      const { certificate, layer, batchSize, rank, inFeatures, normBefore, normAfter } = shift
      const { batchLogitChange, classesCovered, classes, milliseconds } = shift
      expected.push({
        event: 'shift',
        epoch,
        layer,
        batchSize,
        rank,
        inFeatures,
        normBefore,
        normAfter,
        batchLogitChange,
        drift: { largest: certificate!.maxLogitChange, safe: certificate!.marginSafeShare },
        classesCovered,
        classes,
        momentum,
        milliseconds,
        warnings: [...shift.warnings],
      })
    })
    one.on('evaluation', ({ epoch, evaluation: { top1, top5, loss, calibrationError, images } }) => {
      expected.push({ event: 'evaluation', epoch, top1, top5, loss, calibrationError, images })
    })
    one.on('probe', ({ epoch, probe: { trace, weightNorm, train, collapse } }) => {
      expected.push({ event: 'probe', epoch, trace, weightNorm, train, collapse })
    })
    one.use(
      sosDuringTraining({ batchSize: 4, heldOut: 5, momentum: 'zero' }),
      evaluateDuringTraining(vectors(9)),
      probeDuringTraining({ probes: 2, samples: 9 }),
      recordRun(path),
    )
    one.on('epochEnd', ({ epoch, step, learningRate, loss, accuracy, seconds }) => {
      expected.push({ event: 'epoch', epoch, step, learningRate, loss, accuracy, seconds })
    })
    await one.run()
    expect(await readRunRecord(path)).toEqual(expected)
    expect(expected.map(({ event }) => event)).toEqual(['run', 'shift', 'evaluation', 'probe', 'epoch'])
  })

  it('has no drift if nothing was held out', async () => {
    const path = join(temporaryFolder(), 'run.jsonl')
    const one = (await trainer({ epochs: 1 })).use(sosDuringTraining({ batchSize: 4 }), recordRun(path))
    await one.run()
    expect((await readRunRecord(path))[1]).toMatchObject({ event: 'shift', drift: null, momentum: 'keep' })
  })

  it('continues where its checkpoint was, and needs the lines up to there', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'run.jsonl')
    const first = (await trainer({ checkpoints: { folder } })).use(recordRun(path, { run: 1 }))
    first.on('batchEnd', ({ step }) => {
      if (step === 5) first.stop()
    })
    await first.run()
    const before = readFileSync(path, 'utf8')
    expect(before.split('\n')).toHaveLength(1 + 2 + 1)
    writeFileSync(path, `${before}${formatLine(epochLine(2))}{"event":"ep`) // of a part that left no checkpoint
    const second = (await trainer({ checkpoints: { folder } })).use(recordRun(path, { run: 2 }))
    await second.resume()
    await second.run()
    expect(readFileSync(path, 'utf8').startsWith(before)).toBe(true)
    const lines = await readRunRecord(path)
    expect(lines.map((line) => (line.event === 'epoch' ? line.epoch : line.event))).toEqual([
      'run',
      0,
      1,
      2,
      3,
      4,
    ])
    expect(lines[0]).toMatchObject({ about: { run: 1 } })

    const third = (await trainer({ checkpoints: { folder } })).use(recordRun(path))
    await third.resume()
    writeFileSync(path, before)
    await expect(third.run()).rejects.toEqual(refusal('ERR_RECORD', /\b6 lines\b.*\b3\b/))
    expect(readFileSync(path, 'utf8')).toBe(before)
  })
})

describe('the lines of a record', () => {
  const parse = (lines: readonly (RunLine | string)[]) =>
    parseLines(
      'run.jsonl',
      lines.map((line) => (typeof line === 'string' ? line : formatLine(line).trim())),
    )

  it('follow one another', () => {
    const run = runLine(2)
    const right: RunLine[] = [
      run,
      shiftLine(0),
      evaluationLine(0, 50),
      epochLine(0),
      probeLine(0), // a result that comes late
      shiftLine(1),
      epochLine(1),
      evaluationLine(1, 60),
    ]
    expect(parse(right)).toEqual(right)
    expect(parse([])).toEqual([])
    for (const [wrong, line, why] of [
      [[epochLine(0)], 1, /first line/],
      [[run, run], 2, /first line/],
      [[run, epochLine(1)], 2, /epoch 1, after 0 of 2/],
      [[run, epochLine(0), epochLine(0)], 3, /epoch 0, after 1 of 2/],
      [[run, epochLine(0), epochLine(1), epochLine(2)], 4, /epoch 2, after 2 of 2/],
      [[run, epochLine(0), epochLine(1), probeLine(2)], 4, /epoch 2, after 2 of 2/],
      [[run, epochLine(0), epochLine(1), probeLine(0)], 4, /epoch 0, after 2 of 2/],
      [[run, '{'], 2, /./],
      [[run, { ...epochLine(0), loss: -1 } as RunLine], 2, /loss/],
      [[run, { ...shiftLine(0), rank: 129 } as RunLine], 2, /rank/],
      [[run, { ...shiftLine(0), classesCovered: 11 } as RunLine], 2, /covered/],
      [[{ ...run, more: 1 } as unknown as RunLine], 1, /more/],
    ] as const) {
      expect(() => parse(wrong)).toThrow(refusal('ERR_RECORD', new RegExp(`^run\\.jsonl: line ${line}\\b`)))
      expect(() => parse(wrong)).toThrow(why)
    }
    expect(parse([run, { ...shiftLine(0), rank: 128, classesCovered: 10 } as RunLine])).toHaveLength(2)
  })
})
