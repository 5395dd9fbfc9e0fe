import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { readRunRecord } from '../../../src/train/index.js'
import { formatLine, type RunLine } from '../../../src/train/plugins/run-record.js'
import { temporaryFolder } from '../../support/paths.js'

const run: RunLine = { event: 'run', epochs: 3, batchesPerEpoch: 2, about: { name: 'a run' } }
const epoch = (number: number, loss: number): RunLine => ({
  ...{ event: 'epoch', epoch: number, step: 2 * number, learningRate: 0.1, loss, accuracy: 50, seconds: 1 },
})

describe("a run's record", () => {
  it('keeps numbers that JSON has not', async () => {
    const path = join(temporaryFolder(), 'run.jsonl')
    const lines = [run, epoch(0, Number.NaN), epoch(1, Number.POSITIVE_INFINITY), epoch(2, 0.25)]
    writeFileSync(path, lines.map(formatLine).join(''))
    expect(formatLine(lines[1]!)).toContain('"loss":"NaN"')
    expect(formatLine(lines[2]!)).toContain('"loss":"Infinity"')
    expect(formatLine(lines[3]!)).toContain('"loss":0.25')
    expect(await readRunRecord(path)).toEqual(lines)
    appendFileSync(path, formatLine(epoch(2, 1)).slice(0, 20)) // as a kill leaves it
    expect(await readRunRecord(path)).toEqual(lines)
  })

  it('that cannot be read is distinguished from one that does not exist', async () => {
    const folder = temporaryFolder()
    await expect(readRunRecord(join(folder, 'none.jsonl'))).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    })
    await expect(readRunRecord(folder)).rejects.toMatchObject({ code: 'ERR_FILE_UNREADABLE' })
  })
})
