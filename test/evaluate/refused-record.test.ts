import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EvaluationRecord, evaluationSubject } from '../../src/evaluate/index.js'
import { evaluateAll } from '../../src/index.js'

import { folder, options, prepare, refusal, whole } from '../support/evaluation-records.js'
import { demoModel } from '../support/paths.js'

// biome-ignore lint/suspicious/noExplicitAny: a line of the record, to be damaged
const edit = (line: string, change: (batch: any) => unknown) => JSON.stringify(change(JSON.parse(line)))

/** Makes the prediction of the first model for the first image correct, or wrong if it was correct. */
// biome-ignore lint/suspicious/noExplicitAny: as above
function flip(batch: any) {
  const { ranks } = batch.models[0]
  ranks[0] = ranks[0] === 0 ? 1 : 0
  return batch
}

/** Puts other values into the first model's scores of a batch's first image. */
const scoresWith = (values: Record<string, unknown>) => (lines: string[]) =>
  lines.with(
    3,
    edit(lines[3]!, (batch) => {
      for (const [list, value] of Object.entries(values)) batch.models[0][list][0] = value
      return batch
    }),
  )

/** A wrong prediction, with these values. */
const scoresOfWrong = (rank: number, loss: unknown, confidence: unknown) => (lines: string[]) =>
  lines.with(
    3,
    edit(lines[3]!, (batch) => {
      const { predictions, ranks, losses, confidences } = batch.models[0]
      if (ranks[0] === 0) predictions[0] = (predictions[0] + 1) % 10
      ranks[0] = rank
      losses[0] = loss
      confidences[0] = confidence
      return batch
    }),
  )

describe('the record of an evaluation, if it is of something else or damaged', () => {
  it.each(['my notes', '{"version":2', '{"a":1}'])('does not write over the text %s', async (text) => {
    const { subject } = await prepare()
    const path = join(folder, 'text')
    writeFileSync(path, text)
    expect(() => EvaluationRecord.resume(path, subject)).toThrow(
      refusal('ERR_RECORD', /the file is something else/),
    )
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('is refused for anything else, and left as it is', async () => {
    const { subject, path, dataset } = await whole('other.jsonl')
    const text = readFileSync(path, 'utf8')
    const { preprocess, models } = subject
    const others = [
      { ...subject, images: 131 },
      { ...subject, preprocess: { ...preprocess, mean: [0.5] } },
      { ...subject, models: models.slice(1) },
      { ...subject, models: [models[0]!, { ...models[0]!, sha256: '0'.repeat(64) }] },
      await evaluationSubject(
        [demoModel, demoModel],
        { ...dataset, labels: dataset.labels.slice().reverse() },
        preprocess,
        { limit: 130 },
      ),
      { ...subject, output: 'logits' },
    ]
    for (const other of others) {
      expect(() => EvaluationRecord.resume(path, other)).toThrow(refusal('ERR_RECORD', /same evaluation/))
    }
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it.each<[string, (lines: string[]) => string[], RegExp]>([
    ['foreign', () => ['{"a":1}', ''], /first line is something else/],
    ['no JSON', () => ['PK', ''], /:1: expected JSON/],
    ['damaged in the middle', (lines) => lines.with(2, lines[2]!.slice(3)), /:3: expected JSON/],
    ['a batch twice', (lines) => [...lines.slice(0, 3), lines[2]!, ''], /image \d+ twice/],
    [
      'lists of unequal length',
      (lines) => lines.with(3, lines[3]!.replace('"ranks":[', '"ranks":[1,')),
      /:4: [\s\S]*each list/,
    ],
    [
      'without models',
      (lines) =>
        lines.with(
          3,
          edit(lines[3]!, (batch) => ({ ...batch, models: [] })),
        ),
      /0 models instead of 2/,
    ],
    [
      'one model less',
      (lines) =>
        lines.with(
          3,
          edit(lines[3]!, ({ models, ...batch }) => ({ ...batch, models: models.slice(1) })),
        ),
      /1 models instead of 2/,
    ],
    ['a rank beyond the classes', scoresWith({ ranks: 99_999 }), /:4: [\s\S]*no rank above/],
    ['a negative loss', scoresWith({ losses: -5 }), /:4: [\s\S]*losses/],
    ['a loss of minus infinity', scoresWith({ losses: '-Infinity' }), /:4: [\s\S]*losses/],
    ['a confidence above 1', scoresWith({ confidences: 1.5 }), /:4: [\s\S]*confidences/],
    ['a prediction beyond the classes', scoresWith({ predictions: 10 }), /:4: [\s\S]*one of the classes/],
    ['an invalid prediction', scoresWith({ predictions: 1.5 }), /:4: [\s\S]*predictions/],
    ['null for a number', scoresWith({ losses: null }), /:4: [\s\S]*losses/],
    [
      'other classes later',
      (lines) => lines.with(3, lines[3]!.replaceAll('"classes":10', '"classes":11')),
      /10 classes and later with 11/,
    ],
    [
      'an unknown key',
      (lines) =>
        lines.with(
          3,
          edit(lines[3]!, (batch) => ({ ...batch, more: 1 })),
        ),
      /:4: [\s\S]*more/,
    ],
    [
      'an image that is not asked for',
      (lines) =>
        lines.with(
          3,
          edit(lines[3]!, (batch) => ({ ...batch, indices: batch.indices.with(0, 1999) })),
        ),
      /image 1999, which is not among the 130/,
    ],
    [
      'a header with more',
      (lines) => lines.with(0, lines[0]!.replace('{', '{"limit":3,')),
      /its limit is 3, not undefined/,
    ],
    ['a header of null', (lines) => lines.with(0, 'null'), /its first line is something else/],
    ['a header of a number', (lines) => lines.with(0, '1'), /its first line is something else/],
    [
      'an image beyond the dataset',
      (lines) => lines.with(1, lines[1]!.replace('"index":0', '"index":2000')),
      /image 2000 of 2000/,
    ],
  ])('that is damaged is refused: %s', async (name, damage, message) => {
    const { subject, path } = await whole(`${name}.jsonl`)
    writeFileSync(path, damage(readFileSync(path, 'utf8').split('\n')).join('\n'))
    expect(() => EvaluationRecord.resume(path, subject)).toThrow(refusal('ERR_RECORD', message))
  })

  it.each<[string, (lines: string[]) => string[]]>([
    ['a rank', scoresWith({ ranks: 3 })],
    ['a right prediction', (lines) => lines.with(3, edit(lines[3]!, flip))],
    ['a loss', scoresWith({ losses: 1e-9 })],
    ['a confidence', scoresWith({ confidences: 0 })],
    ['a wrong prediction of NaN that is ranked first', scoresOfWrong(0, 'NaN', 'NaN')],
    ['a label that is likelier than the wrong prediction', scoresOfWrong(1, 0.1, 0.6)],
  ])('whose scores contradict each other is not evaluated with: %s', async (name, damage) => {
    const { models, dataset, subject, path } = await whole(`contradiction ${name}.jsonl`)
    writeFileSync(path, damage(readFileSync(path, 'utf8').split('\n')).join('\n'))
    using record = EvaluationRecord.resume(path, subject)
    await expect(evaluateAll(models, dataset, { ...options, record })).rejects.toMatchObject({
      code: 'ERR_RECORD',
      message: expect.stringContaining('contradict each other'),
    })
  })

  it('is not taken for an evaluation with another limit, or of other models', async () => {
    const { models, dataset, subject, path } = await whole('limit.jsonl')
    using record = EvaluationRecord.resume(path, subject)
    const refused = { code: 'ERR_RECORD' }
    await expect(evaluateAll(models, dataset, { ...options, limit: 65, record })).rejects.toMatchObject(
      refused,
    )
    await expect(evaluateAll(models, dataset, { chunk: 20, record })).rejects.toMatchObject(refused)
    await expect(evaluateAll(models.slice(1), dataset, { ...options, record })).rejects.toMatchObject(refused)
    const larger = { ...dataset, size: dataset.size + 1, labels: Int32Array.of(...dataset.labels, 0) }
    await expect(evaluateAll(models, larger, { ...options, record })).rejects.toMatchObject(refused)
  })
})
