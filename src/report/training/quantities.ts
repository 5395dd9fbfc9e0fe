import type { RunLine } from '../../train/index.js'
import { figure, percent } from '../numbers.js'
import type { CurvePoint } from './curves.js'
import { normRatio } from './run.js'

/** A quantity that a figure shows by epoch. */
export interface TrainingQuantity {
  readonly id: string
  readonly title: string
  /** The text of the caption after the title. */
  readonly note: string
  /** The label of the vertical axis. */
  readonly label: string
  readonly of: (line: RunLine) => CurvePoint | null | undefined
  readonly text: (value: number) => string
  /** Whether the scale is logarithmic if the values spread enough for it. Default: false. */
  readonly log?: boolean
  /** The last part of the epochs that is shown, for example 0.25. The figure is left out if these are too few. Default: 1, all. */
  readonly last?: number
}

const plain = (value: number): string => figure(value)

const top1 = (line: RunLine): CurvePoint | null =>
  line.event === 'evaluation' ? { epoch: line.epoch + 1, value: line.top1 } : null

type Probe = Extract<RunLine, { event: 'probe' }>

/** A quantity of a probe, if the probe has it. */
const probed =
  (value: (probe: Probe) => number | undefined) =>
  (line: RunLine): CurvePoint | null => {
    if (line.event !== 'probe') return null
    const found = value(line)
    return found === undefined ? null : { epoch: line.epoch + 1, value: found }
  }

/** The figures of a training in the order of the page. */
export const trainingQuantities: readonly TrainingQuantity[] = [
  {
    id: 'accuracy',
    title: 'Test accuracy',
    note: 'Top-1 of the test images after each epoch.',
    label: 'top-1 accuracy (%)',
    of: top1,
    text: (value) => percent(value),
  },
  {
    id: 'accuracy-end',
    title: 'Test accuracy, last quarter',
    note: 'The same on a scale of its own.',
    label: 'top-1 accuracy (%)',
    of: top1,
    text: (value) => percent(value),
    last: 0.25,
  },
  {
    id: 'loss',
    title: 'Training loss',
    note: 'Mean cross-entropy of the images of an epoch, each computed before the step that used the image.',
    label: 'cross-entropy (nats)',
    of: (line) => (line.event === 'epoch' ? { epoch: line.epoch + 1, value: line.loss } : null),
    text: plain,
    log: true,
  },
  {
    id: 'trace',
    title: 'Trace of the Hessian',
    note: 'Figure 3 of the paper: tr(H) of the training loss.',
    label: 'tr(H)',
    of: probed(({ trace }) => trace?.trace),
    text: plain,
  },
  {
    id: 'norm',
    title: 'Norm of the last layer',
    note: 'Figure 4 of the paper: the Frobenius norm of V after each epoch.',
    label: '‖V‖',
    of: probed(({ weightNorm }) => weightNorm),
    text: plain,
  },
  {
    id: 'shifts',
    title: 'Shifts',
    note: 'The norm of V after a shift, divided by the norm before. A shift that does nothing has 1.',
    label: '‖V*‖ / ‖V‖',
    // A shift happens before the steps of its epoch.
    of: (line) => (line.event === 'shift' ? { epoch: line.epoch, value: normRatio(line) } : null),
    text: plain,
  },
  {
    id: 'nc1',
    title: 'Neural collapse, NC1',
    note: 'Variation of the features within classes against that between them: tr(Σ_W Σ_B⁺)/K.',
    label: 'NC1',
    of: probed(({ collapse }) => collapse?.nc1),
    text: plain,
    log: true,
  },
  {
    id: 'nc2',
    title: 'NC2',
    note: 'How far the angles between the K class means are from those of a simplex: the mean of |cos + 1/(K − 1)| over pairs.',
    label: 'NC2',
    of: probed(({ collapse }) => collapse?.nc2),
    text: plain,
    log: true,
  },
  {
    id: 'nc3',
    title: 'NC3',
    note: 'How far V is from the class means M: ‖V/‖V‖ − M/‖M‖‖².',
    label: 'NC3',
    of: probed(({ collapse }) => collapse?.nc3),
    text: plain,
    log: true,
  },
  {
    id: 'nc4',
    title: 'NC4',
    note: 'Share of images whose class by the network is not the class of the nearest class mean.',
    label: 'NC4',
    of: probed(({ collapse }) => collapse?.nc4),
    text: plain,
  },
  {
    id: 'learning-rate',
    title: 'Learning rate',
    note: 'In the last step of each epoch.',
    label: 'learning rate',
    of: (line) => (line.event === 'epoch' ? { epoch: line.epoch + 1, value: line.learningRate } : null),
    text: plain,
    log: true,
  },
]
