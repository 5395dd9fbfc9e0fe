import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EvaluationRecord, evaluationSubject } from '../../src/evaluate/index.js'
import { evaluateAll } from '../../src/index.js'

import { folder, options, prepare, refusal, whole } from '../support/evaluation-records.js'
import { demoModel } from '../support/paths.js'

describe('the record of an evaluation', () => {
  it('continues from any byte at which it ends, and comes to the same result', async () => {
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

  it('identifies the model by the SHA-256 of its file, and the labels by theirs', async () => {
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
    await expect(missing).rejects.toEqual(refusal('ERR_FILE_UNREADABLE', /none\.pt: the file cannot be read/))
  })

  it('is begun if there is none, and not begun if there is one', async () => {
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

  it('is written by one process at a time', async () => {
    const { subject, path } = await whole('two.jsonl')
    const record = EvaluationRecord.resume(path, subject)
    for (const open of [EvaluationRecord.resume, EvaluationRecord.create]) {
      expect(() => open(path, subject)).toThrow(
        refusal('ERR_LOCKED', /this process itself has been working on it since/),
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
