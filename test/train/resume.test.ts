import { execFile } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { root, temporaryFolder } from '../support/paths.js'

interface End {
  signal: string | null
  stdout: string
  stderr: string
}

/** Runs test/fixtures/train.mjs, which trains three epochs of eight steps. */
function train(folder: string, when = ''): Promise<End> {
  return new Promise((resolve) => {
    execFile(process.execPath, [`${root}/test/fixtures/train.mjs`, folder, when], (error, stdout, stderr) =>
      resolve({ signal: (error?.signal as string) ?? null, stdout, stderr }),
    )
  })
}

/** The record without its times. */
const record = (folder: string) =>
  readFileSync(join(folder, 'run.jsonl'), 'utf8').replaceAll(/"(seconds|milliseconds)":[0-9.e-]+/g, '')

describe('a run that is killed', () => {
  const whole = temporaryFolder()
  const expected = train(whole)

  // Before the first checkpoint, in an epoch, at its end, twice, beside a shift, and while a checkpoint is being written.
  it.each([
    [['step=2']],
    [['step=7']],
    [['step=8']],
    [['step=11', 'step=4']],
    [['step=17']],
    [['writing']],
    [['writing', 'step=1', 'writing']],
  ])('at %j and resumed ends in the same bits as one that was not', async (kills) => {
    const folder = temporaryFolder()
    for (const when of kills) expect((await train(folder, when)).signal).toBe('SIGKILL')
    if (kills.at(-1) === 'writing') {
      expect(readdirSync(folder).some((name) => name.startsWith('.checkpoint-'))).toBe(true)
    }
    const { stdout, stderr } = await train(folder)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^[0-9a-f]{64}$/)
    expect(stdout).toBe((await expected).stdout)
    expect(record(folder)).toBe(record(whole))
    const files = readdirSync(folder).sort()
    expect(files).toEqual([
      'checkpoint-000000021.safetensors',
      'checkpoint-000000024.safetensors',
      'run.jsonl',
    ])
  })

  it('is not resumed from a damaged checkpoint, nor from another run', async () => {
    await expected
    const folder = temporaryFolder()
    cpSync(whole, folder, { recursive: true })
    const last = join(folder, 'checkpoint-000000024.safetensors')
    const bytes = readFileSync(last)
    writeFileSync(last, bytes.subarray(0, bytes.length - 10))
    const damaged = await train(folder)
    expect(damaged.stdout).toBe('')
    expect(damaged.stderr).toContain('ERR_DAMAGED_FILE')
    const other = bytes.toString('latin1').replace('\\"batchSize\\":32', '\\"batchSize\\":31')
    writeFileSync(last, Buffer.from(other, 'latin1'))
    const { stderr } = await train(folder)
    expect(stderr).toContain(
      'expected a checkpoint of this run but it is of another: batchSize was 31 and is 32',
    )
    const broken = bytes.toString('latin1').replace('\\"step\\":24', '\\"stop\\":24')
    writeFileSync(last, Buffer.from(broken, 'latin1'))
    expect((await train(folder)).stderr).toContain('expected the metadata of a checkpoint but it is damaged')
  })
})
