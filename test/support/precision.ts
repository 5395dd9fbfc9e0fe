import { afterEach, beforeEach, expect } from 'vitest'
import { idxFolder, preprocessOf, ScriptModule } from '../../src/index.js'
import type { DType } from '../../src/torch/index.js'

import { demoModel, fashionMnist, fixture } from './paths.js'
import { reference } from './python.js'

/** A network of test/fixtures/precision.py. */
export const load = (name: string) => ScriptModule.load(fixture(`precision.${name}.pt`))

/** Images of Fashion-MNIST that the tests of precision take. */
export const indices = Array.from({ length: 96 }, (_, i) => i * 7)

export const epsilon = { float16: 2 ** -10, bfloat16: 2 ** -7, float32: 2 ** -23, float64: 2 ** -52 }

export async function dataset(split: 'train' | 'test' = 'train') {
  return idxFolder(fashionMnist, split, preprocessOf(await ScriptModule.load(demoModel)))
}

export const models: [name: string, images: DType, rounding: number][] = [
  ['float16', 'float16', epsilon.float16],
  ['bfloat16', 'bfloat16', epsilon.bfloat16],
  ['float64', 'float64', epsilon.float32], // of the images, which are float32 before
  ['half_head', 'float32', epsilon.float16],
  ['head_first', 'float32', epsilon.float32],
  ['casts', 'float32', epsilon.float16],
  ['centred', 'bfloat16', epsilon.bfloat16],
  ['traced', 'float16', epsilon.float16],
]

/** What Python makes of the network and the images in a dtype. */
export const python = (name: string, dtype: DType, more = {}) =>
  reference('precision', {
    model: fixture(`precision.${name}.pt`),
    folder: fashionMnist,
    dtype,
    indices,
    ...more,
  })

/** For the tests of one file: none of them may warn. */
export function expectNoWarnings(): void {
  const warnings: Error[] = []
  const hear = (warning: Error) => void warnings.push(warning)
  beforeEach(() => void process.on('warning', hear))
  afterEach(async () => {
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', hear)
    expect(warnings.splice(0).map(({ message }) => message)).toEqual([])
  })
}
