import { afterEach, describe, expect, it } from 'vitest'

import { evaluate, hessianTrace, ScriptModule, shiftOptimum, torch } from '../../src/index.js'
import { warnIfRandom } from '../../src/model/randomness.js'
import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { randn } from '../support/random.js'

const warnings: { code: string | undefined; message: string }[] = []
const listen = ({ code, message }: Error & { code?: string }) => void warnings.push({ code, message })
process.on('warning', listen)
afterEach(() => void warnings.splice(0))

const told = async () => {
  await new Promise(setImmediate) // warnings come after the turn in which they are emitted
  return warnings.map(({ code }) => code)
}
const load = (name: string) => ScriptModule.load(fixture(name))
const random = /modes\.\w+\.pt is random in eval mode: two forwards of the same images/

describe('a model that is random in eval mode', () => {
  it.each(['dropping', 'jittering'])('is reported once when it is evaluated: %s', async (name) => {
    const model = await load(`modes.${name}.pt`)
    for (const optimize of [true, false, true]) {
      const { warnings: found } = await evaluate(model, vectors(40), { optimize })
      expect(found.filter((one) => random.test(one))).toHaveLength(1)
    }
    expect(await told()).toEqual(['SOS_RANDOM'])
    expect(warnings[0]!.message).toMatch(random)
  })

  it('is reported when it is shifted, and its record says so', async () => {
    const model = await load('modes.dropping.pt')
    const { warnings: found } = await shiftOptimum(model, vectors(40), { batchSize: 4, heldOut: 10 })
    expect(found.filter((one) => random.test(one))).toHaveLength(1)
    expect(await told()).toEqual(['SOS_RANDOM'])
  })

  it('is reported when its sharpness is measured', async () => {
    const model = await load('modes.jittering.pt')
    await hessianTrace(model, vectors(8), { samples: 8, probes: 2 })
    expect(await told()).toEqual(['SOS_RANDOM'])
  })

  it('is found out by no call of its hooks', async () => {
    const model = await load('modes.dropping.pt')
    let calls = 0
    model.registerForwardHook('fc', () => void calls++)
    await evaluate(model, vectors(6), { chunk: 6 })
    expect(calls).toBe(1)
    expect(await told()).toContain('SOS_RANDOM')
  })

  it.each(['modes.noisy.pt', 'modes.counting.pt', 'mlp.scripted.pt'])(
    'is none of those that repeat themselves, or draw in train mode alone: %s',
    async (name) => {
      const model = await load(name)
      using images = randn([8, 6], 1, 'float64')
      torch.manualSeed(3)
      expect(await warnIfRandom(model, images)).toBeNull()
      using next = torch.rand([3])
      torch.manualSeed(3)
      expect(torch.equal(next, torch.rand([3]))).toBe(true) // nothing was drawn
      expect(await told()).toEqual([])
    },
  )

  it('gives no error of its own for images that the model cannot take', async () => {
    const model = await load('modes.dropping.pt')
    expect(await warnIfRandom(model, randn([8, 5], 1, 'float64'))).toBeNull()
    expect(await warnIfRandom(model, randn([8, 6], 1, 'float64'))).toMatch(random) // these are looked at again
  })
})
