import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/index.js'
import { EvaluationRecord, evaluationSubject } from '../../src/evaluate/index.js'
import { evaluateAll, idxFolder, preprocessOf, ScriptModule } from '../../src/index.js'

import { demoModel, fashionMnist, temporaryFolder } from '../support/paths.js'

const folder = temporaryFolder()
const options = { limit: 130, chunk: 20 }

/** The dataset of the tests, in which every 17th image of those below 1000 is corrupt, and the first twenty asked for all are. */
async function prepare() {
  const model = await ScriptModule.load(demoModel)
  const preprocess = preprocessOf(model)
  const test = await idxFolder(fashionMnist, 'test', preprocess)
  const bad = (index: number) => index < 300 || (index < 1000 && index % 17 === 0)
  const loaded: number[] = []
  const dataset: Dataset = {
    ...test,
    async load(asked) {
      loaded.push(...asked)
      return {
        ...(await test.load(asked.filter((index) => !bad(index)))),
        skipped: asked.filter(bad).map((index) => ({ index, path: `é${index}.jpg`, reason: 'corrupt' })),
      }
    },
  }
  const subject = await evaluationSubject([demoModel, demoModel], dataset, preprocess, options)
  return { models: [model, await model.clone()], dataset, subject, loaded }
}

/** A whole record, and what was evaluated with it. */
async function whole(name: string) {
  const prepared = await prepare()
  const path = join(folder, name)
  const record = EvaluationRecord.create(path, prepared.subject)
  const evaluations = await evaluateAll(prepared.models, prepared.dataset, { ...options, record })
  record.close()
  prepared.loaded.length = 0
  return { ...prepared, path, evaluations }
}

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) })

// biome-ignore lint/suspicious/noExplicitAny: a line of the record, to be damaged
const edit = (line: string, change: (batch: any) => unknown) => JSON.stringify(change(JSON.parse(line)))

/** The first image of the first model rightly predicted, or wrongly where it was right. */
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

describe('the record of an evaluation', () => {
  it('goes on from any byte at which it ends, and comes to the same result', async () => {
    const { models, dataset, subject, loaded, path, evaluations } = await whole('torn.jsonl')
    const text = readFileSync(path)
    const header = text.indexOf('\n') + 1
    expect(evaluations).toEqual(await evaluateAll(models, dataset, options))
    for (const size of [
      0,
      7,
      header - 1,
      header,
      header + 1,
      text.length / 2,
      text.length - 1,
      text.length,
    ]) {
      writeFileSync(path, text.subarray(0, Math.floor(size)))
      loaded.length = 0
      const record = EvaluationRecord.resume(path, subject)
      const kept = record.batches.flatMap(({ indices, skipped }) => [...indices, ...skipped])
      expect(await evaluateAll(models, dataset, { ...options, record })).toEqual(evaluations)
      record.close()
      expect(kept.length + loaded.length).toBe(130)
      expect(readFileSync(path).equals(text)).toBe(true)
    }
  }, 60_000)

  it('keeps what was done before a stop', async () => {
    const { models, dataset, subject } = await prepare()
    const path = join(folder, 'stopped.jsonl')
    const controller = new AbortController()
    const record = EvaluationRecord.create(path, subject)
    const stop = ({ done }: { done: number }) => done >= 40 && controller.abort(new Error('enough'))
    const stopped = evaluateAll(models, dataset, {
      ...options,
      record,
      signal: controller.signal,
      onProgress: stop,
    })
    await expect(stopped).rejects.toThrow('enough')
    record.close()
    const resumed = EvaluationRecord.resume(path, subject)
    expect(resumed.batches).toHaveLength(2)
    const progress: unknown[] = []
    await evaluateAll(models, dataset, {
      ...options,
      record: resumed,
      onProgress: (told) => void progress.push(told),
    })
    expect(progress[0]).toEqual({ done: 60, total: 130, resumed: 40 })
    resumed.close()
  })

  it('keeps numbers that JSON has not', async () => {
    const { subject } = await prepare()
    const path = join(folder, 'numbers.jsonl')
    const [nan, infinite] = [Number.NaN, Number.POSITIVE_INFINITY]
    const scores = {
      classes: 10,
      probabilities: false,
      predictions: Int32Array.of(1, 2, 3),
      ranks: Int32Array.of(0, 9, 10),
      losses: Float64Array.of(5e-324, infinite, nan),
      confidences: Float64Array.of(1 / 3, 1, nan),
    }
    const batch = { indices: [30, 0, 15], skipped: [], models: [scores, scores] }
    const record = EvaluationRecord.create(path, subject)
    record.append(batch)
    record.close()
    const resumed = EvaluationRecord.resume(path, subject)
    expect(resumed.batches).toEqual([batch])
    resumed.close()
  })

  it('tells the model by the SHA-256 of its file, and its labels by theirs', async () => {
    const { subject, dataset } = await prepare()
    const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
    expect(subject.models[0]!.sha256).toBe(sha256(readFileSync(demoModel)))
    const path = join(folder, 'hashes.jsonl')
    EvaluationRecord.resume(path, subject).close()
    const header = JSON.parse(readFileSync(path, 'utf8').split('\n')[0]!)
    expect(header.models[0]).toEqual({
      path: subject.models[0]!.path,
      sha256: sha256(readFileSync(demoModel)),
    })
    expect([header.outputs, header.output]).toEqual(['logits', null])
    expect(header.dataset).toMatchObject({ name: dataset.name, size: dataset.size })
    const missing = evaluationSubject([join(folder, 'none.pt')], dataset, subject.preprocess, options)
    await expect(missing).rejects.toEqual(refusal('ERR_FILE_UNREADABLE', /none\.pt: cannot be read/))
  })

  it.each(['my notes', '{"version":2', '{"a":1}'])('does not write over the text %s', async (text) => {
    const { subject } = await prepare()
    const path = join(folder, 'text')
    writeFileSync(path, text)
    expect(() => EvaluationRecord.resume(path, subject)).toThrow(refusal('ERR_RECORD', /the file is none/))
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('is begun where there is none, and not begun where there is one', async () => {
    const { subject } = await prepare()
    const path = join(folder, 'begun.jsonl')
    EvaluationRecord.resume(path, subject).close()
    expect(existsSync(path)).toBe(true)
    expect(() => EvaluationRecord.create(path, subject)).toThrow(
      refusal('ERR_OUTPUT', /resume it, or remove it/),
    )
    expect(() => EvaluationRecord.create(join(folder, 'no', 'x'), subject)).toThrow(
      refusal('ERR_OUTPUT', /no such/),
    )
    expect(() => EvaluationRecord.resume(folder, subject)).toThrow(refusal('ERR_OUTPUT', /EISDIR/))
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
    ['foreign', () => ['{"a":1}', ''], /first line is none/],
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
      /0 models, not of 2/,
    ],
    [
      'one model less',
      (lines) =>
        lines.with(
          3,
          edit(lines[3]!, ({ models, ...batch }) => ({ ...batch, models: models.slice(1) })),
        ),
      /1 models, not of 2/,
    ],
    ['a rank beyond the classes', scoresWith({ ranks: 99_999 }), /:4: [\s\S]*no rank is beyond/],
    ['a negative loss', scoresWith({ losses: -5 }), /:4: [\s\S]*losses/],
    ['a loss of minus infinity', scoresWith({ losses: '-Infinity' }), /:4: [\s\S]*losses/],
    ['a confidence above 1', scoresWith({ confidences: 1.5 }), /:4: [\s\S]*confidences/],
    ['a prediction beyond the classes', scoresWith({ predictions: 10 }), /:4: [\s\S]*one of the classes/],
    ['a prediction that is none', scoresWith({ predictions: 1.5 }), /:4: [\s\S]*predictions/],
    ['null for a number', scoresWith({ losses: null }), /:4: [\s\S]*losses/],
    [
      'other classes later',
      (lines) => lines.with(3, lines[3]!.replaceAll('"classes":10', '"classes":11')),
      /10 classes and then of 11/,
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
      /image 1999, which is none of the 130/,
    ],
    [
      'a header with more',
      (lines) => lines.with(0, lines[0]!.replace('{', '{"limit":3,')),
      /its limit is 3, not undefined/,
    ],
    ['a header of null', (lines) => lines.with(0, 'null'), /its first line is none/],
    ['a header of a number', (lines) => lines.with(0, '1'), /its first line is none/],
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

  it('is written by one process at a time', async () => {
    const { subject, path } = await whole('two.jsonl')
    const record = EvaluationRecord.resume(path, subject)
    for (const open of [EvaluationRecord.resume, EvaluationRecord.create]) {
      expect(() => open(path, subject)).toThrow(
        refusal('ERR_LOCKED', /this process itself works on it since/),
      )
    }
    expect(existsSync(`${path}.lock`)).toBe(true)
    appendFileSync(path, '{}\n')
    expect(() => record.append({ indices: [], skipped: [], models: [] })).toThrow(
      refusal('ERR_OUTPUT', /another process/),
    )
    record.close()
    record.close()
    expect(existsSync(`${path}.lock`)).toBe(false)
    truncateSync(path, 0)
  })
})
