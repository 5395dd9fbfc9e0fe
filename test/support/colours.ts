import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import type { Preprocess } from '../../src/data/index.js'
import { ScriptModule } from '../../src/index.js'

import { fixture, temporaryFolder } from './paths.js'

// Models that know colours by construction (Colours in test/fixtures/networks.py), and images of these colours: with the right
// labels all images are right, with others none is.

export const recipe: Preprocess = {
  channels: 3,
  resize: null,
  interpolation: 'bilinear',
  crop: null,
  mean: [0, 0, 0],
  std: [1, 1, 1],
}

/** A PNG of the colour of output `k`. */
export function png(k: number): Promise<Buffer> {
  const [r, g, b] = [k % 10, Math.floor(k / 10) % 10, Math.floor(k / 100)].map((digit) => 28 * digit)
  return sharp({ create: { width: 8, height: 8, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer()
}

/** Writes files, the colour of an output for a number, below a new folder. */
export async function folderWith(
  files: Readonly<Record<string, number | string | Uint8Array>>,
): Promise<string> {
  const root = join(temporaryFolder(), 'root')
  mkdirSync(root)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), typeof content === 'number' ? await png(content) : content)
  }
  return root
}

/** The file of a model with `outputs` outputs, which are called `classes`; null: it has a record without them. */
export async function coloursModel(outputs: 12 | 1000, classes: readonly string[] | null): Promise<string> {
  const path = join(temporaryFolder(), 'colours.pt')
  const model = await ScriptModule.load(fixture(`colours.${outputs}.pt`))
  const record = { version: 1, architecture: 'colours', preprocess: recipe, classes, shifts: [] }
  await model.save(path, { extraFiles: { 'sos.json': JSON.stringify(record) } })
  model.dispose()
  return path
}

export const animals = 'ant bee cat dog eel fox gnu hen ibis jay koi lynx'.split(' ')
