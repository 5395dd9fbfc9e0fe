import { checkNumbers, count, expectObject, type NumberChecks, whole, wholeSeed } from '../../base/index.js'
import { type Dataset, sampleIndices, subset } from '../../data/index.js'
import { evaluate } from '../../evaluate/index.js'
import { isPiecewiseLinear, type LinearLayer } from '../../model/index.js'
import { parametersAt } from '../../model/internal.js'
import { gaussNewtonTrace, hessianTrace, neuralCollapse } from '../../sharpness/index.js'
import { type CaptureOptions, captureChunks, linearLayer } from '../../shift/index.js'
import { type ScriptModule, scope, torch } from '../../torch/index.js'
import type { WaitingEvent } from '../events.js'
import { isDueAfter } from '../every-epochs.js'
import type { Plugin, Trainer } from '../trainer.js'

/** What the probes measure after an epoch: the curves of Figures 3 and 4 in the paper. */
export interface EpochProbe {
  /** tr(H) of the mean training loss over the sample, with its standard error; null if it was not asked for. */
  readonly trace: {
    readonly trace: number
    readonly standardError: number
    /**
     * How it was computed: `gauss-newton` by its first-order form, which gives the same number in a piecewise linear network; `hessian` by
     * Hessian-vector products.
     */
    readonly by: 'gauss-newton' | 'hessian'
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
  /** The number of random vectors for the trace, the same in each epoch; 0 leaves the trace out. Default: 32. */
  probes?: number
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
  probes: (name, value) => {
    if (value !== 0) whole(2, 1_000_000)(`${name}, other than 0,`, value) // one probe has no standard error
  },
  chunk: count,
  seed: wholeSeed,
}

/**
 * A plugin that measures the model after epochs, in eval mode: tr(H), ‖V‖, loss and accuracy, neural collapse. The sample of training images
 * and the random vectors are the same in all epochs. The event `probe` has the result. If there are several processes, only the
 * first measures.
 *
 * In a piecewise linear network tr(H) is computed by its first-order form, which needs only first derivatives.
 *
 * @param options see {@link ProbeOptions}. Default: 512 images and 32 random vectors, after each epoch
 * @returns the plugin, for `trainer.use`
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * trainer.use(probeDuringTraining({ samples: 20, probes: 2 }))
 * trainer.on('probe', ({ probe }) => console.log(probe.trace?.by, probe.trace?.standardError))
 * await trainer.run()
 */
export function probeDuringTraining(options: ProbeOptions = {}): Plugin {
  expectObject('options', options)
  const { everyEpochs = 1 } = options
  checkNumbers(options, probeNumbers)
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
  const { samples = Math.min(512, data.size), probes = 32, collapse = true, seed = 0, chunk } = options
  const indices = sampleIndices(data, { size: Math.min(samples, data.size), sampling: 'stratified', seed })
  const sample = subset(data, indices)
  const layer = linearLayer(model, undefined, outputOptions.output)
  const { weight, bias } = parametersAt(model, layer.path)
  const forwards = { device, ...outputOptions, ...(chunk && { chunk }) }
  const scored = { device, ...outputOptions, optimize: false, ...(chunk && { chunk }) }
  const { loss, top1 } = await evaluate(model, sample, scored)
  const measured = { ...forwards, probes, seed, samples: indices.length }
  const trace = async () => {
    const piecewise = isPiecewiseLinear(model)
    const found = await (piecewise ? gaussNewtonTrace : hessianTrace)(model, sample, measured)
    return {
      trace: found.trace,
      standardError: found.standardError,
      by: piecewise ? ('gauss-newton' as const) : ('hessian' as const),
    }
  }
  return {
    trace: probes === 0 ? null : await trace(),
    weightNorm: torch.noGrad(() => scope(() => weight!.detach().to('float64').norm().item())),
    train: { loss, accuracy: top1 },
    collapse: collapse ? await collapseOf(model, layer, forwards, sample, { weight: weight!, bias }) : null,
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
