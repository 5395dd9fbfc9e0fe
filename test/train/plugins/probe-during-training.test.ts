import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { probeDuringTraining, ScriptModule, sgd, Trainer } from '../../../src/index.js'
import type { EpochProbe } from '../../../src/train/index.js'

import { vectors } from '../../support/datasets.js'
import { fixture, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'

const nine = vectors(9)

/** Trains for some epochs; gives each probe and the file of the weights that it was taken of. */
async function probed(
  network: string,
  count: number | 'exact',
): Promise<{ probe: EpochProbe; file: string }[]> {
  const folder = temporaryFolder()
  const model = await ScriptModule.load(fixture(`curvature.${network}.pt`))
  const trainer = new Trainer(model, {
    data: nine,
    epochs: 3,
    batchSize: 4,
    optimizer: sgd({ learningRate: 0.05 }),
  })
  const probes: { probe: EpochProbe; file: string }[] = []
  trainer.use(probeDuringTraining({ everyEpochs: 2, samples: 9, probes: count }))
  trainer.on('probe', ({ probe, epoch }) => {
    probes.push({ probe, file: join(folder, `${epoch}.pt`) })
  })
  trainer.on('epochEnd', (event) => event.waitUntil(model.save(join(folder, `${event.epoch}.pt`))))
  await trainer.run()
  return probes
}

/** Mean cross-entropy and accuracy in per cent, number by number. */
async function lossAndAccuracy(model: ScriptModule): Promise<{ loss: number; accuracy: number }> {
  const { images } = await nine.load([...nine.labels.keys()])
  const logits = (await model.eval().forward(images)).toArray() as number[][]
  const losses = logits.map((row, i) => {
    const sum = row.reduce((total, logit) => total + Math.exp(logit), 0)
    return Math.log(sum) - row[nine.labels[i]!]!
  })
  const right = logits.filter((row, i) => row.indexOf(Math.max(...row)) === nine.labels[i])
  return { loss: losses.reduce((a, b) => a + b) / 9, accuracy: (100 * right.length) / 9 }
}

describe('probeDuringTraining', () => {
  it.each([
    ['residual', 'exact', 'exact'],
    ['residual', 200, 'gauss-newton'],
    ['gelu', 200, 'hessian'],
  ] as const)(
    'measures the weights after an epoch, of the network %s with %s probes by %s',
    async (network, count, by) => {
      const probes = await probed(network, count)
      expect(probes).toHaveLength(2) // after the second epoch, and the last
      const cases = probes.map(({ file }) => ({ model: file }))
      const dense = await reference('gauss_newton', { shape: [9, 6], seed: 7, classes: 3, cases })
      for (const [i, { probe, file }] of probes.entries()) {
        expect(probe.trace!.by).toBe(by)
        const { trace, standardError, probeStandardError } = probe.trace!
        const rounding = 1e-10 * dense[i].hessian
        expect(Math.abs(trace - dense[i].hessian)).toBeLessThan(4 * probeStandardError! + rounding)
        expect(probeStandardError).toBeLessThan(0.2 * dense[i].hessian)
        if (by === 'hessian') expect(standardError).toBeNull()
        else expect(standardError).toBeGreaterThan(probeStandardError!)
        const model = await ScriptModule.load(file)
        const weights = [...model.namedParameters()].filter(([name]) => name.endsWith('weight'))
        const weight = weights.at(-1)![1].detach().toTypedArray() as Float64Array
        expect(probe.weightNorm).toBeCloseTo(Math.hypot(...weight), 10)
        const { loss, accuracy } = await lossAndAccuracy(model)
        expect(probe.train.loss).toBeCloseTo(loss, 10)
        expect(probe.train.accuracy).toBeCloseTo(accuracy, 10)
      }
      expect(probes[0]!.probe.weightNorm).not.toBe(probes[1]!.probe.weightNorm)
    },
  )
})
