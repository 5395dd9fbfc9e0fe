import { afterEach, describe, expect, it, vi } from 'vitest'
import { ProcessGroup } from '../../../src/torch/index.js'

import { type RankResult, runRanks, torchrun } from '../../support/ranks.js'

/** Bounds of what takes a process that hears of a peer's end, and of its own start; generous, for busy machines. */
const SOON = 20_000

function expectResults(ranks: RankResult[]): Record<string, unknown>[] {
  for (const { code, stderr } of ranks) expect(code, stderr).toBe(0)
  return ranks.map(({ result }) => result)
}

describe('the collectives of a process group', () => {
  it('compute over 2 ranks', async () => {
    const [first, second] = expectResults(await runRanks('collectives', 2))
    for (const [rank, result] of [first, second].entries()) {
      expect(result).toMatchObject({
        rank,
        size: 2,
        localRank: rank,
        // Ramps of 1 and of 2 times 0, 1, 2, …
        reduced: [
          [
            [0, 3, 6],
            [9, 12, 15],
          ],
          [0, 3, 6],
          [
            [3, 9],
            [21, 27],
            [39, 45],
            [57, 63],
          ],
          0,
        ],
        mean: [
          [0, 1.5, 3, 4.5, 6],
          [0, 1.5],
        ],
        least: [-1, 0, 1],
        most: [-1, 1, 3],
        empty: [0, 3],
        sent: [
          'tensor([[1, 1],\n        [1, 1]])',
          'tensor([ True, False])',
          'tensor([1.+0.j, 1.+0.j])',
          'tensor([[10, 13],\n        [11, 14],\n        [12, 15]])',
          1,
        ],
        gathered: [
          [
            [0, 1],
            [2, 3],
          ],
          [
            [0, 2],
            [4, 6],
          ],
        ],
        scalars: [1, 0],
        rows: [
          [1, 1],
          [1, 1],
          [1, 1],
        ],
        none: [0, 4],
        after: { code: 'ERR_DISPOSED' },
      })
    }
    // A view of every other column was reduced, and the columns between were left alone.
    expect((second!.wide as number[][])[1]).toEqual([12, 21, 16, 27, 20, 22])
    expect(second!.waited).toBeGreaterThan(350)
  })

  it('compute over 3 ranks', async () => {
    for (const result of expectResults(await runRanks('collectives', 3))) {
      expect(result).toMatchObject({
        reduced: [
          [
            [0, 6, 12],
            [18, 24, 30],
          ],
          [0, 6, 12],
          expect.anything(),
          0,
        ],
        mean: [
          [0, 2, 4, 6, 8],
          [0, 2],
        ],
        most: [-1, 2, 5],
        rows: [
          [1, 1],
          [1, 1],
          [1, 1],
          [3, 3],
          [3, 3],
        ],
        scalars: [1, 0, 0],
      })
    }
  })

  it('leave the same bits on all ranks', async () => {
    const [first, ...others] = expectResults(await runRanks('bits', 3))
    expect(first!.bits).toHaveLength(2 * 4 * 10_001)
    for (const { bits } of others) expect(bits).toBe(first!.bits)
  })

  it('leave the event loop free while they wait', async () => {
    const [first] = expectResults(await runRanks('free', 2))
    expect(first!.ticks).toBeGreaterThan(30)
  })

  it('refuse what differs between the ranks, on all of them, and continue', async () => {
    for (const result of expectResults(await runRanks('mismatch', 2))) {
      const failures = result.failures as { code: string; message: string }[]
      for (const { code } of failures) expect(code).toBe('ERR_PROCESS_GROUP')
      const [shapes, dtypes, calls, columns] = failures.map(({ message }) => message)
      expect(shapes).toContain('allReduce(sum) of float32 [2]')
      expect(shapes).toContain('allReduce(sum) of float32 [3]')
      expect(dtypes).toContain('broadcast(root 0) of int32 [2]')
      expect(calls).toContain('barrier')
      expect(calls).toContain('allGather of float32 [2] on cpu')
      expect(columns).toContain('gatherRows of float32 [n, 3]')
      expect(new Set(result.x as number[])).toEqual(new Set([1]))
      expect(result.z).toEqual([2, 2])
    }
  })

  it('refuse invalid arguments', async () => {
    const [{ failures }] = expectResults(await runRanks('arguments', 1)) as [{ failures: { code: string }[] }]
    expect(failures.map((failure) => failure?.code)).toEqual([
      'ERR_INVALID_ARGUMENT',
      'ERR_DTYPE',
      'ERR_DTYPE',
      'ERR_INVALID_ARGUMENT',
      'ERR_SHAPE',
      'ERR_INVALID_ARGUMENT',
      ...(ProcessGroup.backends().includes('nccl') ? [] : ['ERR_NOT_BUILT']),
      'ERR_INVALID_ARGUMENT',
      'ERR_INVALID_ARGUMENT',
      'ERR_INVALID_ARGUMENT',
      'ERR_INVALID_ARGUMENT',
      'ERR_INVALID_ARGUMENT',
    ])
  })
})

describe('a process group that loses a rank', () => {
  it.each([
    [2, 1],
    [3, 1],
    [3, 0], // which serves the store
  ])('of %i, number %i, rejects on all others, soon, and refuses what follows', async (size, victim) => {
    const ranks = await runRanks('killed', size, { TEST_VICTIM: String(victim) })
    expect(ranks[victim]).toMatchObject({ code: null, signal: 'SIGKILL' })
    for (const { result, code } of ranks.filter((_, rank) => rank !== victim)) {
      expect(code).toBe(0)
      expect(result.first.code).toBe('ERR_PROCESS_GROUP')
      expect(result.first.message).toMatch(
        /^allReduce\(sum\) of float32 \[1000\] on cpu failed on rank \d of \d: /,
      )
      expect(result.first.message).toContain('torchrun')
      expect(result.first.milliseconds).toBeLessThan(SOON)
      expect(result.second).toMatchObject({ code: 'ERR_PROCESS_GROUP' })
      expect(result.second.message).toContain('failed before')
    }
  })

  it('to a delay rejects after the timeout', async () => {
    const [first] = await runRanks('late', 2, { TEST_TIMEOUT: '1500' })
    expect(first!.result.first.code).toBe('ERR_PROCESS_GROUP')
    expect(first!.result.first.message).toContain('did not come within 1.5 s')
    expect(first!.result.first.milliseconds).toBeLessThan(SOON)
  })

  it('before it came rejects after the timeout', async () => {
    const [lonely] = await runRanks('bits', 1, { WORLD_SIZE: '2', TEST_TIMEOUT: '1000' })
    expect(lonely).toMatchObject({ code: 1 })
    expect(lonely!.stderr).toMatch(/SosError|ERR_PROCESS_GROUP/)
    expect(lonely!.stderr).toMatch(/rank 0 of 2 did not meet the others at 127\.0\.0\.1:\d+/)
  })

  it('that serves the store rejects after the timeout', async () => {
    const [lonely] = await runRanks('bits', 1, {
      RANK: '1',
      LOCAL_RANK: '1',
      WORLD_SIZE: '2',
      TEST_TIMEOUT: '1000',
    })
    expect(lonely).toMatchObject({ code: 1 })
    expect(lonely!.stderr).toMatch(/rank 1 of 2 did not meet the others/)
  })

  it.each([
    ['connects', 'leave', 1],
    ['waits in a collective', 'leave-collective', 2],
    ['waits in a backward', 'leave-backward', 2],
  ])('lets a process end at once that %s', async (_, scenario, size) => {
    const [first, second] = await runRanks(scenario, size, { WORLD_SIZE: '2' })
    expect(first).toMatchObject({ code: 7, signal: null })
    expect(first!.milliseconds).toBeLessThan(SOON)
    expect(second?.signal ?? null).toBe(null)
  })
})

describe('torchrun', () => {
  it('starts a group', async () => {
    const { code, stdout, stderr } = await torchrun('collectives', 2)
    expect(code, stderr).toBe(0)
    const results = stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
    expect(results.map(({ rank }) => rank).sort()).toEqual([0, 1])
    for (const { size, most } of results) expect({ size, most }).toEqual({ size: 2, most: [-1, 1, 3] })
  })

  it('starts it again after a worker was killed', async () => {
    const { code, stdout, stderr } = await torchrun('restart', 2, '--max-restarts', '1')
    expect(code, stderr).toBe(0)
    const results = stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
    expect(results).toHaveLength(2)
    for (const { attempt, sum } of results) expect({ attempt, sum }).toEqual({ attempt: 1, sum: 2 })
  })
})

describe('the environment of a process group', () => {
  const good = {
    RANK: '0',
    WORLD_SIZE: '2',
    LOCAL_RANK: '0',
    MASTER_ADDR: 'localhost',
    MASTER_PORT: '29500',
  }
  const failure = async (changes: Record<string, string>) => {
    for (const [name, value] of Object.entries({ ...good, ...changes })) vi.stubEnv(name, value)
    return ProcessGroup.fromEnvironment().catch((error) => error)
  }
  afterEach(() => void vi.unstubAllEnvs())

  it.each([
    [{ RANK: '', MASTER_PORT: '' }, 'RANK, MASTER_PORT'],
    [{ RANK: '2' }, 'from 0 to 1 in the environment variable RANK but found "2"'],
    [{ WORLD_SIZE: 'two' }, 'WORLD_SIZE but found "two"'],
    [{ WORLD_SIZE: '0' }, 'WORLD_SIZE but found "0"'],
    [{ LOCAL_RANK: '-1' }, 'LOCAL_RANK but found "-1"'],
    [{ MASTER_PORT: '70000' }, 'from 1 to 65535 in the environment variable MASTER_PORT'],
  ])('is refused if it holds %o', async (changes, text) => {
    const error = await failure(changes)
    expect(error.code).toBe('ERR_ENVIRONMENT')
    expect(error.message).toContain(text)
    expect(error.message).toContain('torchrun')
  })

  it('reports whether a process was launched', () => {
    vi.stubEnv('RANK', '')
    expect(ProcessGroup.isLaunched()).toBe(false)
    for (const [name, value] of Object.entries(good)) vi.stubEnv(name, value)
    expect(ProcessGroup.isLaunched()).toBe(true)
  })
})
