import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ScriptModule } from '../../src/index.js'

import { sos } from '../support/cli.js'
import { demoModel, fashionMnist, fixture, root, temporaryFolder } from '../support/paths.js'
import { reference } from '../support/python.js'

const folder = temporaryFolder()
const data = ['--data', `idx:${fashionMnist}:test`]

async function json(...args: string[]) {
  const { code, stdout, stderr } = await sos('eval', ...args, '--json')
  expect({ args, code, stderr: stderr.replace(/^.*\d+\/\d+, .*\n/gm, '') }).toEqual({
    args,
    code: 0,
    stderr: '',
  })
  return JSON.parse(stdout)
}

/** Runs `sos eval` until its record has grown, and is longer than `size`, and sends it the signal. */
async function interrupt(record: string, size: number, signal: NodeJS.Signals, ...args: string[]) {
  const written = () => (existsSync(record) ? statSync(record).size : 0)
  const least = Math.max(size, written())
  const child = spawn(process.execPath, [`${root}/dist/cli/main.js`, 'eval', ...args])
  while (written() <= least && child.exitCode === null) await sleep(1)
  child.kill(signal)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  return { code, stdout, stderr }
}

const indicesIn = (record: string): number[] =>
  readFileSync(record, 'utf8')
    .split('\n')
    .slice(1, -1)
    .flatMap((line) => JSON.parse(line).indices)

describe('sos eval', () => {
  it("gives Python's figures, and McNemar's test of models that differ", async () => {
    const other = join(folder, 'other.pt')
    const model = await ScriptModule.load(demoModel)
    model.namedParameters().get('fc.bias')!.detach().at(0).add_(1)
    await model.save(other)
    const [first, second] = await json(demoModel, other, ...data, '--per-class')
    const [python, pythonOther] = [
      await reference('evaluate', { model: demoModel, folder: fashionMnist }),
      await reference('evaluate', { model: other, folder: fashionMnist }),
    ]
    for (const [ours, theirs] of [
      [first, python],
      [second, pythonOther],
    ]) {
      expect(ours.top1).toBeCloseTo(theirs.top1, 10)
      expect(ours.loss).toBeCloseTo(theirs.loss, 6)
      expect(ours.calibrationError).toBeCloseTo(theirs.calibrationError, 6)
      ours.perClass.forEach(({ top1 }: { top1: number }, k: number) => {
        expect(top1).toBeCloseTo(theirs.perClass[k], 10)
      })
    }
    const right = (result: { predictions: number[] }, i: number) => result.predictions[i] === python.labels[i]
    const count = (a: object, b: object) =>
      python.labels.filter((_: number, i: number) => right(a as never, i) && !right(b as never, i)).length
    const counts = [count(python, pythonOther), count(pythonOther, python)]
    const [pValue] = await reference('mcnemar', { counts: [counts] })
    expect(first.mcnemar).toBeNull()
    expect(second.mcnemar).toEqual({
      onlyFirst: counts[0],
      onlySecond: counts[1],
      pValue: expect.closeTo(pValue, 12),
    })
    expect(counts[0]).toBeGreaterThan(0)
  })

  it.each<NodeJS.Signals>(['SIGKILL', 'SIGINT'])(
    'ended by %s at random moments goes on from its record to the same figures',
    async (signal) => {
      const args = [demoModel, demoModel, ...data, '--chunk', '16', '--per-class']
      const whole = join(folder, `${signal}.whole.jsonl`)
      const expected = await json(...args, '--record', whole)
      const record = join(folder, `${signal}.jsonl`)
      const moments = [0, 1, 2, 3].map((i) => ((i + Math.random()) / 5) * statSync(whole).size)
      for (const moment of moments) {
        const { code, stdout, stderr } = await interrupt(record, moment, signal, ...args, '--resume', record)
        expect([moment, stdout]).toEqual([moment, ''])
        if (signal === 'SIGKILL') expect(code).toBeNull()
        else {
          expect([moment, code]).toEqual([moment, 130])
          const done = indicesIn(record).length
          expect(stderr).toBe(
            `sos: interrupted after ${done} of 2000 images; continue with: ${['sos', 'eval', ...args].join(' ')} --resume ${record}\n`,
          )
        }
      }
      expect(await json(...args, '--resume', record)).toEqual(expected)
      expect(indicesIn(record)).toEqual(Array.from({ length: 2000 }, (_, i) => i))
      expect(readFileSync(record, 'utf8')).toBe(readFileSync(whole, 'utf8'))
      expect(await json(...args, '--resume', record)).toEqual(expected) // with nothing left to do
    },
    120_000,
  )

  it('prints the command that continues, with --resume for --record and all else', async () => {
    const record = join(folder, "a record's.jsonl")
    const args = [demoModel, ...data, '--chunk', '16', '--outputs', 'logits', '--json']
    const { code, stderr } = await interrupt(record, 3000, 'SIGINT', ...args, `--record=${record}`)
    expect([code, stderr]).toEqual([130, expect.stringMatching(/^sos: interrupted after \d+ of 2000 images/)])
    const again = stderr.trim().split('continue with: ')[1]!
    expect(again).toBe(`sos eval ${args.join(' ')} '--resume=${record.replace("'", "'\\''")}'`)
    const typed = again.replace(/^sos/, `${process.execPath} ${root}/dist/cli/main.js`)
    const [done] = JSON.parse(execFileSync('sh', ['-c', typed], { encoding: 'utf8' }))
    expect(done.images).toBe(2000)
    expect(indicesIn(record)).toEqual(Array.from({ length: 2000 }, (_, i) => i))
  }, 120_000)

  it('takes an empty file for no record', async () => {
    for (const option of ['--record', '--resume']) {
      const record = join(folder, `empty${option}.jsonl`)
      writeFileSync(record, '')
      await json(demoModel, ...data, '--limit', '10', option, record)
      expect(indicesIn(record)).toHaveLength(10)
    }
  })

  it('refuses a record of something else with one line, and leaves it', async () => {
    const record = join(folder, 'else.jsonl')
    await json(demoModel, ...data, '--limit', '10', '--record', record)
    const held = readFileSync(record, 'utf8')
    for (const [args, message] of [
      [['--limit', '20', '--resume', record], 'same evaluation'],
      [['--limit', '10', '--record', record], 'resume it, or remove it'],
    ] as const) {
      const { code, stdout, stderr } = await sos('eval', demoModel, ...data, ...args)
      expect([code, stdout, stderr.trim().split('\n').length]).toEqual([1, '', 1])
      expect(stderr).toContain(message)
    }
    expect(readFileSync(record, 'utf8')).toBe(held)
    const both = await sos('eval', demoModel, ...data, '--record', 'a', '--resume', 'b')
    expect([both.code, both.stderr]).toEqual([
      2,
      expect.stringContaining("cannot be used with option '--resume"),
    ])
  })

  it('counts and reports the corrupt images that it skips', async () => {
    const images = join(folder, 'images', 'a')
    mkdirSync(images, { recursive: true })
    cpSync(new URL('../fixtures/grey.png', import.meta.url), join(images, 'good.png'))
    writeFileSync(join(images, 'bad.png'), 'no image')
    writeFileSync(join(folder, 'classes.txt'), 'abcdefghij'.split('').join('\n'))
    const args = [fixture('resnet18.scripted.pt'), '--data', `imagefolder:${join(folder, 'images')}`]
    const record = join(folder, 'skipped.jsonl')
    const resumable = [...args, '--skip-corrupt', '--resume', record]
    const [skipping] = await json(...resumable)
    expect([skipping.images, skipping.skipped]).toEqual([1, 1])
    expect((await json(...resumable))[0]).toEqual(skipping)
    const { stdout } = await sos('eval', ...args, '--skip-corrupt')
    expect(stdout).toMatch(/1 corrupt image\(s\) skipped: .*bad\.png/)
  })
})
