import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ScriptModule } from '../../src/index.js'

import { sos } from '../support/cli.js'
import { animals, folderWith, recipe } from '../support/colours.js'
import { fixture, temporaryFolder } from '../support/paths.js'

const folder = temporaryFolder()

/** The file of a model, with a record that has its preprocessing. */
async function recorded(name: string): Promise<string> {
  const path = join(folder, `${name}.pt`)
  const model = await ScriptModule.load(fixture(`colours.${name}.pt`))
  const record = { version: 1, architecture: 'colours', preprocess: recipe, classes: animals, shifts: [] }
  await model.save(path, { extraFiles: { 'sos.json': JSON.stringify(record) } })
  model.dispose()
  return path
}

/** Each colour in two shades that are its output's: 24 images, all of which are predicted right. */
const images = folderWith(
  Object.fromEntries(animals.flatMap((name, k) => [0, 1].map((i) => [`${name}/${i}.png`, k]))),
)

/** Every command that runs a model, on a model's file. */
async function commands(model: string): Promise<string[][]> {
  const data = `imagefolder:${await images}`
  return [
    ['eval', model, '--data', data],
    ['shift', model, '--data', data, '--batch-size', '2', '--held-out', '5', '--out', join(folder, 'out.pt')],
    ['sharpness', model, '--data', data, '--samples', '5', '--probes', '2'],
    ['study', model, '--train', data, '--val', data, '--batch-sizes', '2', '--draws', '1'],
  ]
}

describe('--output', () => {
  it('is asked for by every command that runs a model, and then taken', async () => {
    const model = await recorded('keyed')
    for (const command of await commands(model)) {
      const without = await sos(...command)
      expect({ command, ...without }).toMatchObject({ code: 1, stderr: expect.stringContaining('--output') })
      expect(without.stderr).toMatch(/'?features'?\S* (\(float32 \[\d+, 3\]\)|by)/)
      const chosen = await sos(...command, '--output', 'logits', '--json')
      expect({ command, code: chosen.code, stderr: chosen.stderr }).toEqual({ command, code: 0, stderr: '' })
      const wrong = await sos(...command, '--output', 'logit')
      expect({ command, ...wrong }).toMatchObject({ code: 1, stderr: expect.stringContaining("'logit'") })
    }
    const shifted = join(folder, 'out.pt')
    const { stdout } = await sos(
      'eval',
      shifted,
      '--data',
      `imagefolder:${await images}`,
      '--output',
      'logits',
      '--json',
    )
    expect(JSON.parse(stdout)[0].images).toBe(24)
    const inspected = await sos('inspect', model, '--output', 'logits')
    expect(inspected.stdout).toContain("output layer: fc (3 → 12, with bias), at ['logits']")
  }, 120_000)

  it('is of a record, which is not continued with another', async () => {
    const record = join(folder, 'record.jsonl')
    const [command] = await commands(await recorded('keyed'))
    const first = await sos(...command!, '--output', 'logits', '--record', record, '--json')
    expect(JSON.parse(first.stdout)[0]).toMatchObject({ top1: 100, warnings: [] })
    const again = await sos(...command!, '--output', 'logits', '--resume', record, '--json')
    expect(JSON.parse(again.stdout)[0].top1).toBe(100)
    const other = await sos(...command!, '--output', 'features', '--resume', record)
    expect(other).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/its output is "logits", not "features"/),
    })
  }, 60_000)
})

describe('the number of images in a forward', () => {
  it('is asked for by every command if a trace holds it, and then taken', async () => {
    for (const command of await commands(await recorded('traced'))) {
      const failed = await sos(...command)
      expect({ command, ...failed }).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/runs on 1: .*\(--chunk 1\)/),
      })
      const told = await sos(...command, '--chunk', '1', '--json')
      expect({ command, code: told.code, stderr: told.stderr }).toEqual({ command, code: 0, stderr: '' })
    }
  }, 120_000)
})

describe('a preprocessing that is not the network’s', () => {
  it('is asked about by every command, with the shape of the images', async () => {
    const model = await recorded('traced')
    const path = join(folder, 'grey.pt')
    const loaded = await ScriptModule.load(model)
    const record = JSON.parse(loaded.extraFiles['sos.json']!)
    const preprocess = { ...recipe, channels: 1, mean: [0], std: [1] }
    await loaded.save(path, { extraFiles: { 'sos.json': JSON.stringify({ ...record, preprocess }) } })
    for (const command of await commands(path)) {
      const { code, stderr } = await sos(...command)
      expect({ command, code, stderr }).toEqual({
        command,
        code: 1,
        stderr: expect.stringMatching(
          /given images float32 \[\d+, 1, 8, 8\]: is this the network's preprocessing/,
        ),
      })
    }
  }, 60_000)
})
