import type { TrainingRun } from '../../src/report/index.js'
import type { RunLine } from '../../src/train/index.js'

// Lines of a training's record, made by hand.

type Line<E extends RunLine['event']> = Extract<RunLine, { event: E }>

export const runLine = (epochs: number, about: Line<'run'>['about'] = {}): RunLine => ({
  event: 'run',
  epochs,
  batchesPerEpoch: 10,
  about,
})

export const epochLine = (epoch: number, told: Partial<Line<'epoch'>> = {}): RunLine => ({
  event: 'epoch',
  epoch,
  step: 10 * (epoch + 1),
  learningRate: 0.1,
  loss: 1,
  accuracy: 50,
  seconds: 2,
  ...told,
})

export const evaluationLine = (epoch: number, top1: number, loss = 1): RunLine => ({
  event: 'evaluation',
  epoch,
  top1,
  top5: null,
  loss,
  calibrationError: 0.1,
  images: 1000,
})

export const probeLine = (epoch: number, told: Partial<Line<'probe'>> = {}): RunLine => ({
  event: 'probe',
  epoch,
  trace: { trace: 100, standardError: 3, probeStandardError: 0, by: 'exact' },
  weightNorm: 4,
  train: { loss: 0.5, accuracy: 80 },
  collapse: { nc1: 2, nc2: 0.5, nc3: 0.6, nc4: 0.1 },
  ...told,
})

export const shiftLine = (epoch: number, told: Partial<Line<'shift'>> = {}): RunLine => ({
  event: 'shift',
  epoch,
  layer: 'fc',
  batchSize: 30,
  rank: 30,
  inFeatures: 64,
  normBefore: 4,
  normAfter: 3.6,
  batchLogitChange: 1e-6,
  drift: null,
  classesCovered: 10,
  classes: 10,
  momentum: 'keep',
  milliseconds: 5,
  warnings: [],
  ...told,
})

/** A run of `done` of `epochs` epochs, with every kind of line that a record may have. */
export function wholeRun(scheme: string, seed: number, epochs: number, done = epochs): TrainingRun {
  const lines = [
    runLine(epochs, { scheme, seed, config: { model: 'resnet18', epochs: [seed], sos: { layers: [1, 2] } } }),
  ]
  const offset = seed + scheme.length
  for (let epoch = 0; epoch < done; epoch++) {
    const progress = (epoch + 1) / epochs
    if (scheme.endsWith('+sos')) {
      lines.push(shiftLine(epoch, { normAfter: 3.5 + 0.4 * progress, drift: { largest: 2, safe: 0.75 } }))
    }
    lines.push(
      evaluationLine(epoch, 30 + 60 * progress + Math.sin(7 * offset + epoch), 2 - progress),
      probeLine(epoch, {
        trace: {
          trace: 50 + 100 * progress + offset,
          standardError: null,
          probeStandardError: 4,
          by: 'hessian',
        },
        weightNorm: 2 + progress + 0.01 * offset,
        collapse: { nc1: 9 * Math.exp(-5 * progress), nc2: 0.5, nc3: 0.6, nc4: 0.1 * (1 - progress) },
      }),
      epochLine(epoch, { loss: 2 * Math.exp(-4 * progress) + 0.001 * offset, accuracy: 99 * progress }),
    )
  }
  return { scheme, seed, lines }
}
