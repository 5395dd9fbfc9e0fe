import { expect } from 'vitest'
import { idxFolder, preprocessOf, ScriptModule, sampleIndices } from '../../../src/index.js'

import { sos } from '../../support/cli.js'
import { fashionMnist, fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'

export const train = ['--data', `idx:${fashionMnist}:train`]
/** 280 parameters, so that Python can compute all of the Hessian. */
export const model = fixture('thumbnail.relu.pt')

/** What `sos sharpness --json` prints. */
export async function sharpness(...args: string[]) {
  const { code, stdout, stderr } = await sos('sharpness', ...args, ...train, '--json')
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
  return JSON.parse(stdout)
}

/** Which images `--samples` and `--seed` draw. */
export async function drawn(path: string, samples: number, seed = 0): Promise<number[]> {
  const data = await idxFolder(fashionMnist, 'train', preprocessOf(await ScriptModule.load(path)))
  return sampleIndices(data, { size: samples, sampling: 'uniform', seed })
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** The standard error of a mean. */
export const errorOfMean = (values: readonly number[]): number =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)) / (values.length - 1))

const computed = new Map<string, ReturnType<typeof reference>>()

/** The dense matrices of a thumbnail network that Python computes, once for each network. */
export async function matrices(path: string, samples: number, activation = 'ReLU') {
  const indices = await drawn(path, samples)
  const given = { model: path, activation, folder: fashionMnist, indices, parameters: 'first.' }
  const key = JSON.stringify(given)
  if (!computed.has(key)) computed.set(key, reference('dense_matrices', { ...given, probes: 32, seed: 0 }))
  return await computed.get(key)
}

/** Writes the thumbnail network after a shift. */
export async function writeShifted(path: string): Promise<void> {
  const { code, stderr } = await sos('shift', model, ...train, '--batch-size', '6', '--out', path)
  expect([code, code === 0 || stderr]).toEqual([0, true])
}
