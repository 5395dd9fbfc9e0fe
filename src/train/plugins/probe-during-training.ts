import { checkNumbers, count, expectObject, type NumberChecks, whole, wholeSeed } from '../../base/index.js'
import { type Dataset, sampleIndices, subset } from '../../data/index.js'
import { evaluate } from '../../evaluate/index.js'
import { isPiecewiseLinear, type LinearLayer } from '../../model/index.js'
import { parametersAt } from '../../model/internal.js'
import { hessianTrace, neuralCollapse, type PerSampleOptions, perSampleTrace } from '../../sharpness/index.js'
import { type CaptureOptions, captureChunks, linearLayer } from '../../shift/index.js'
import { type ScriptModule, scope, torch } from '../../torch/index.js'
import type { WaitingEvent } from '../events.js'
import { isDueAfter } from '../every-epochs.js'
import type { Plugin, Trainer } from '../trainer.js'

/** What the probes measure after an epoch: the curves of Figures 3 and 4 in the paper. */
export interface EpochProbe {
  /** tr(H) of the mean training loss over the sample; null if it was not asked for. */
  readonly trace: {
    readonly trace: number
    /** The standard error over the images of the sample, taken as draws of all images that there could be; null if it is not known. */
    readonly standardError: number | null
    /** The standard error of the random vectors for this sample: 0 if the trace is exact; null if one vector leaves it unknown. */
    readonly probeStandardError: number | null
    /**
     * How it was computed. In a piecewise linear network `exact` and `gauss-newton` measure each image by first derivatives: with a
     * backward for each class but one, or with random vectors. `hessian` is an estimate by Hessian-vector products, for other networks.
     */
    readonly by: 'exact' | 'gauss-newton' | 'hessian'
  } | null
  /** ‖V‖, the Frobenius norm of the weight of the linear layer that makes the output. */
  readonly weightNorm: number
  /** Mean loss and accuracy in per cent on the sample, in eval mode. */
  readonly train: { readonly loss: number; readonly accuracy: number }
  /** The neural collapse of the sample's features (Papyan, Han and Donoho 2020); null if it was not asked for. */
  readonly collapse: {
    readonly nc1: number
    readonly nc2: number
    readonly nc3: number
    readonly nc4: number
  } | null
}

/** A plugin has measured the model. */
export interface ProbeEvent extends WaitingEvent {
  /** What was measured. */
  readonly probe: EpochProbe
}

declare module '../events.js' {
  interface EventTypes {
    probe: ProbeEvent
  }
}

/** Options of {@link probeDuringTraining}. */
export interface ProbeOptions {
  /** The number of epochs from one probe to the next. After the last epoch the model is always probed. Default: 1. */
  everyEpochs?: number
  /** The number of training images in the sample, which is drawn evenly from all classes. Default: 512, or all if there are fewer. */
  samples?: number
  /**
   * How the trace is measured in a piecewise linear network: `exact`, or with so many random vectors for each image. In another network it is
   * the number of Hessian-vector products, 32 for `exact`. 0 leaves the trace out. The vectors are the same in each epoch. Default: `exact`
   * for at most 32 classes, otherwise 4.
   */
  probes?: number | 'exact'
  /** Whether to measure neural collapse. Default: true. */
  collapse?: boolean
  /** The number of images in one forward. Default: that of each measure, from 32 to 128. */
  chunk?: number
  /** The seed of the sample and of the random vectors. Default: 0, also in runs with other seeds, so that runs are comparable. */
  seed?: number
}

const probeNumbers: NumberChecks<ProbeOptions> = {
  everyEpochs: count,
  samples: count,
  chunk: count,
  seed: wholeSeed,
}

/** With more classes, the default is a few random vectors for each image. */
const mostClassesByDefault = 32

/**
 * A plugin that measures the model after epochs, in eval mode: tr(H), ‖V‖, loss and accuracy, neural collapse. The sample of training images
 * and the random vectors are the same in all epochs. The event `probe` has the result. If there are several processes, only the
 * first measures.
 *
 * In a piecewise linear network tr(H) is measured image by image, by first derivatives, with its error over the images.
 *
 * @param options see {@link ProbeOptions}. Default: 512 images, after each epoch
 * @returns the plugin, for `trainer.use`
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * trainer.use(probeDuringTraining({ samples: 20 }))
 * trainer.on('probe', ({ probe }) => console.log(probe.trace?.by, probe.trace?.standardError))
 * await trainer.run()
 */
export function probeDuringTraining(options: ProbeOptions = {}): Plugin {
  expectObject('options', options)
  const { everyEpochs = 1 } = options
  checkNumbers(options, probeNumbers)
  const { probes = 'exact' } = options
  // One Hessian-vector product has no standard error.
  if (probes !== 'exact' && probes !== 0) whole(2, 1_000_000)("probes, other than 0 and 'exact',", probes)
  return (trainer) => {
    if (trainer.parallel.rank !== 0) return
    trainer.on('epochEnd', async ({ epoch }) => {
      if (!isDueAfter(epoch, everyEpochs, trainer.epochs)) return
      await trainer.tell('probe', { probe: await measure(trainer, options) })
    })
  }
}

async function measure(trainer: Trainer, options: ProbeOptions): Promise<EpochProbe> {
  const { data, device, outputOptions } = trainer
  using model = trainer.model.view({ eval: true }) // active dropout would change the loss and its curvature
  const { samples = Math.min(512, data.size), collapse = true, seed = 0, chunk } = options
  const indices = sampleIndices(data, { size: Math.min(samples, data.size), sampling: 'stratified', seed })
  const sample = subset(data, indices)
  const layer = linearLayer(model, undefined, outputOptions.output)
  const { weight, bias } = parametersAt(model, layer.path)
  const forwards = { device, ...outputOptions, ...(chunk && { chunk }) }
  const scored = { device, ...outputOptions, optimize: false, ...(chunk && { chunk }) }
  const { loss, top1 } = await evaluate(model, sample, scored)
  const { probes = weight!.shape[0]! <= mostClassesByDefault ? 'exact' : 4 } = options
  return {
    trace:
      probes === 0
        ? null
        : await traceOf(model, sample, { ...forwards, probes, seed, samples: indices.length }),
    weightNorm: torch.noGrad(() => scope(() => weight!.detach().to('float64').norm().item())),
    train: { loss, accuracy: top1 },
    collapse: collapse ? await collapseOf(model, layer, forwards, sample, { weight: weight!, bias }) : null,
  }
}

async function traceOf(
  model: ScriptModule,
  sample: Dataset,
  options: PerSampleOptions & { probes: number | 'exact' },
): Promise<NonNullable<EpochProbe['trace']>> {
  const { probes } = options
  if (!isPiecewiseLinear(model)) {
    const found = await hessianTrace(model, sample, { ...options, probes: probes === 'exact' ? 32 : probes })
    const { trace, standardError: probeStandardError } = found
    return { trace, standardError: null, probeStandardError, by: 'hessian' }
  }
  const { value, standardError, probeStandardError } = await perSampleTrace(model, sample, options)
  return {
    trace: value,
    standardError,
    probeStandardError,
    by: probes === 'exact' ? 'exact' : 'gauss-newton',
  }
}

async function collapseOf(
  model: ScriptModule,
  layer: LinearLayer,
  forwards: CaptureOptions,
  sample: Dataset,
  classifier: Parameters<typeof neuralCollapse>[1],
): Promise<EpochProbe['collapse']> {
  const all = [...sample.labels.keys()]
  const found = await neuralCollapse(async function* () {
    for await (const part of captureChunks(model, layer, sample, all, forwards)) {
      yield { rows: part.rows[0]!, labels: part.indices.map((index) => sample.labels[index]!) }
    }
  }, classifier)
  return {
    nc1: found.variability,
    nc2: found.means.angleDeviation,
    nc3: found.duality,
    nc4: found.disagreement,
  }
}
