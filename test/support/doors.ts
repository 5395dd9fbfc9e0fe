import * as data from '../../src/data/index.js'
import * as evaluate from '../../src/evaluate/index.js'
import * as model from '../../src/model/index.js'
import * as report from '../../src/report/index.js'
import * as sharpness from '../../src/sharpness/index.js'
import * as shift from '../../src/shift/index.js'
import * as torchDoor from '../../src/torch/index.js'
import * as train from '../../src/train/index.js'

const doors = { ...torchDoor, ...data, ...model, ...evaluate, ...shift, ...sharpness, ...train, ...report }

const { torch } = doors
const beside = [
  'Generator',
  'areDeterministicAlgorithmsEnabled',
  'autocast',
  'enableGrad',
  'getAutocastDtype',
  'getFloat32MatmulPrecision',
  'getNumInteropThreads',
  'getNumThreads',
  'getRngState',
  'inferenceMode',
  'initialSeed',
  'isAutocastEnabled',
  'isDeterministicAlgorithmsWarnOnlyEnabled',
  'isGradEnabled',
  'isInferenceModeEnabled',
  'manualSeed',
  'noGrad',
  'setFloat32MatmulPrecision',
  'setGradEnabled',
  'setNumInteropThreads',
  'setNumThreads',
  'setRngState',
  'useDeterministicAlgorithms',
] as const
type Beside = Pick<typeof torch, (typeof beside)[number]>

/** Everything that the front doors offer, and the functions of `torch` that are no operators, by their names alone. */
export const sos = {
  ...doors,
  ...torch.autograd,
  ...torch.nn.attention,
  ...(Object.fromEntries(beside.map((name) => [name, torch[name]])) as Beside),
}
