import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readRunRecord } from '../../src/train/index.js'

import { root, temporaryFolder } from '../support/paths.js'
import { type RankResult, runAlone, runRanks, torchrun } from '../support/ranks.js'
import { largestDifference } from '../support/tensors.js'

const script = `${root}/test/fixtures/train_rank.mjs`

const done = (ranks: RankResult[]) => {
  for (const { code, stderr } of ranks) expect(code, stderr).toBe(0)
  return ranks.map(({ result }) => result)
}

describe('training by several processes', () => {
  const one = runAlone([script, temporaryFolder()])

  it('gives what one process gives on the same batches, and the same bits on all of them', async () => {
    const folder = temporaryFolder()
    const [alone] = done([await one])
    const ranks = done(await runRanks([script, folder], 2))
    expect(ranks[1].bytes).toBe(ranks[0].bytes)
    expect(alone.weights.length).toBeGreaterThan(50)
    expect(largestDifference(ranks[0].weights, alone.weights)).toBeLessThan(1e-10)
    for (const { losses } of ranks) expect(largestDifference(losses, alone.losses)).toBeLessThan(1e-10)
    expect(alone.devices).toEqual(['cpu', 'cuda', 'cuda:1'])
    expect(ranks.map(({ devices }) => devices)).toEqual(
      [0, 1].map((rank) => ['cpu', `cuda:${rank}`, 'cuda:1']),
    )
    // The first process shifts, and writes.
    expect(alone.shifts).toEqual([1, 2, 3].map(() => [3, true]))
    expect(ranks.map(({ shifts }) => shifts)).toEqual([alone.shifts, []])
    const lines = await readRunRecord(`${folder}/run.jsonl`)
    expect(lines.map(({ event }) => event)).toEqual([
      'run',
      'shift',
      'epoch',
      'shift',
      'epoch',
      'shift',
      'epoch',
    ])
    expect(readdirSync(folder).filter((name) => name.startsWith('checkpoint'))).toHaveLength(2)
  })

  it('ends with a clear error on all processes when one is killed', async () => {
    const [first, second] = await runRanks([script, temporaryFolder(), 'die=7'], 2)
    expect(second!.signal).toBe('SIGKILL')
    expect([first!.code, first!.result.code]).toEqual([1, 'ERR_PROCESS_GROUP'])
    expect(first!.milliseconds).toBeLessThan(60_000)
  })

  it('is started again by torchrun, and continues from the checkpoint to the same bits', async () => {
    const folder = temporaryFolder()
    const again = await torchrun([script, folder, 'die=7'], 2, '--max-restarts', '2')
    expect(again.code, again.stderr).toBe(0)
    const [alone] = done([await one])
    const ends = again.stdout.split('\n').filter((line) => line.includes('"weights"'))
    expect(ends).toHaveLength(2)
    for (const { weights, losses } of ends.map((line) => JSON.parse(line))) {
      expect(largestDifference(weights, alone.weights)).toBeLessThan(1e-10)
      expect(losses).toHaveLength(2) // of the epochs since the checkpoint
    }
  })
})
