import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { fixture, root, temporaryFolder } from '../../support/paths.js'
import { pythonPath } from '../../support/python.js'
import { FuzzChild } from './child.js'
import { type Damage, damaged, damageOf } from './damage.js'
import { readLines, writeLines } from './json-lines.js'
import { endOfProcess } from './python-replay.js'
import { readArchive, writeArchive } from './zip.js'

// SOS_FUZZ_SEED=7 SOS_FUZZ_RUNS=10000 npx vitest run test/torch/fuzz/modules.test.ts looks further. A file that ends Python's process
// too is libtorch's own crash; SOS_FUZZ_RECORD=1 adds it to the list.
const seed = Number(process.env.SOS_FUZZ_SEED ?? 1)
const runs = Number(process.env.SOS_FUZZ_RUNS ?? 1000)

const folder = temporaryFolder()
const scripts = `${root}/test/torch/fuzz`

interface Job {
  file: string
  damage: Damage
  fromBytes: boolean
}

const list = `${scripts}/known-module-crashes.jsonl`
/** Files that end Python's process too. They are not loaded. */
const known = readLines<{ job: Job; ours: string; python: string }>(list)

function modules(): Map<string, Buffer> {
  execFileSync(pythonPath(), [`${scripts}/make_modules.py`, fixture(''), folder])
  const names = readdirSync(folder).filter((name) => name.endsWith('.pt'))
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name))]))
}

const shapeOf = (file: string) => (file.startsWith('convolutions') ? [2, 1, 8] : [2, 8])
const methodOf = (file: string) => (file.startsWith('values') ? 'nested' : 'forward')

/** How Python ends that does the same with the file. */
function endOfSame(path: string, job: Job): Promise<string | undefined> {
  const { file, fromBytes } = job
  return endOfProcess(`${scripts}/load_module.py`, path, String(fromBytes), JSON.stringify(shapeOf(file)))
}

describe('damaged module files', () => {
  it('are refused if the code and the locations of its source are damaged together', async () => {
    const records = readArchive(readFileSync(fixture('hooks.scripted.pt')))
    for (const [name, data] of records) {
      if (name.endsWith('.debug_pkl')) records.set(name, Buffer.from('nonsense'))
      if (name.endsWith('networks.py')) records.set(name, Buffer.concat([data, Buffer.from('\x01')]))
    }
    const path = join(folder, 'damaged-twice')
    writeFileSync(path, writeArchive(records))
    const child = new FuzzChild(`${scripts}/module-worker.mjs`)
    const job = { path, fromBytes: false, shape: [2, 8], method: 'forward' }
    expect(await child.run(job)).toEqual({ answer: 'refused: ERR_NOT_TORCHSCRIPT' })
    child.stop()
  })

  it('load or are refused, run or fail, and neither end the process nor hang', async () => {
    const files = modules()
    process.stderr.write(`SOS_FUZZ_SEED=${seed} SOS_FUZZ_RUNS=${runs}: ${files.size} files\n`)
    const any = fc
      .constantFrom(...files.keys())
      .chain((file) =>
        fc.record({ file: fc.constant(file), damage: damageOf(files.get(file)!), fromBytes: fc.boolean() }),
      )
    const child = new FuzzChild(`${scripts}/module-worker.mjs`)
    const path = join(folder, 'damaged')
    const run = (file: string, fromBytes: boolean) =>
      child.run({ path, fromBytes, shape: shapeOf(file), method: methodOf(file) })
    for (const [file, bytes] of files) {
      writeFileSync(path, writeArchive(readArchive(bytes)))
      expect(await run(file, false), `${file} with its records written anew`).toEqual({ answer: 'ran' })
    }
    const counts: Record<string, number> = {}
    const failures: unknown[] = []
    const crashing = new Set(known.map(({ job }) => JSON.stringify(job)))
    for (const job of fc.sample(any, { numRuns: runs, seed })) {
      if (crashing.has(JSON.stringify(job))) continue
      writeFileSync(path, damaged(files.get(job.file)!, job.damage))
      const outcome = await run(job.file, job.fromBytes)
      if ('answer' in outcome && !outcome.answer.startsWith('odd')) {
        counts[outcome.answer] = (counts[outcome.answer] ?? 0) + 1
        continue
      }
      const python = 'answer' in outcome ? undefined : await endOfSame(path, job)
      const which = python === undefined ? 'crashed' : "libtorch's own"
      counts[which] = (counts[which] ?? 0) + 1
      const report = JSON.stringify({ ...job, outcome, python })
      process.stderr.write(`${report}\n`)
      if (python === undefined) failures.push(report)
      else known.push({ job, ours: 'signal' in outcome ? outcome.signal : 'hang', python })
    }
    child.stop()
    process.stderr.write(`${JSON.stringify(counts)}\n`)
    if (process.env.SOS_FUZZ_RECORD) writeLines(list, known)
    expect(failures).toEqual([])
    expect(counts.ran).toBeGreaterThan(runs / 100)
    expect(counts['refused: ERR_NOT_TORCHSCRIPT']).toBeGreaterThan(runs / 10)
  }, 3_600_000)
})
