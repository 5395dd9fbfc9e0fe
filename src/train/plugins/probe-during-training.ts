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

/** What the training probes measure after an epoch: the curves of the paper's Figures 3 and 4. */
export interface EpochProbe {
  /** tr(H) of the mean training loss over a fixed sample; null where it was not asked for. */
  readonly trace: {
    readonly trace: number
    readonly standardError: number
    /** `gauss-newton`: its first-order form, the same number where the network is piecewise linear; `hessian`: by HVPs. */
    readonly by: 'gauss-newton' | 'hessian'
  } | null
  /** ‖V‖, Frobenius, of the weight of the linear layer that makes the output. */
  readonly weightNorm: number
  /** Over the fixed sample of training images, in eval mode. */
  readonly train: { readonly loss: number; readonly accuracy: number }
  /** Neural collapse of the fixed sample's features (Papyan, Han and Donoho 2020). */
  readonly collapse: {
    readonly nc1: number
    readonly nc2: number
    readonly nc3: number
    readonly nc4: number
  } | null
}

/** The model was measured. */
export interface ProbeEvent extends WaitingEvent {
  readonly probe: EpochProbe
}

declare module '../events.js' {
  interface EventTypes {
    probe: ProbeEvent
  }
}

export interface ProbeOptions {
  /** Epochs from one probe to the next; the last epoch is always probed. Default: 1. */
  everyEpochs?: number
  /** Training images of the fixed sample, drawn evenly from all classes. Default: 512, or all. */
  samples?: number
  /** Random vectors of the trace, the same in each epoch; 0 leaves it out. Default: 32. */
  probes?: number
  /** Measure neural collapse. Default: true. */
  collapse?: boolean
  /** Images in one forward. Default: as of each measure by itself, 32 to 128. */
  chunk?: number
  /** Of the sample and the random vectors. Default: 0, whatever the run's, so that runs are comparable. */
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
 * Measures the model after epochs, in eval mode, on a fixed sample of the training images and with fixed random vectors: tr(H),
 * ‖V‖, loss and accuracy, neural collapse. Told by the event `probe`. Of several processes the first measures.
 *
 * tr(H) is measured by its first-order form where the network is piecewise linear, by first derivatives alone.
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
  using model = trainer.model.view({ eval: true }) // a dropout at work would curve the loss
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
