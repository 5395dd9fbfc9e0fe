import { checkNumbers, count, expectObject, type NumberChecks, SosError, whole } from '../../base/index.js'
import { parameterName } from '../../model/internal.js'
import {
  applyShift,
  captureRows,
  drawBatch,
  type ShiftableLayer,
  type ShiftBatch,
  type ShiftOptions,
  type ShiftRecord,
  shiftableLayer,
} from '../../shift/index.js'
import { checkRankPolicy, shiftNumbers, windowsOf } from '../../shift/internal.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import type { WaitingEvent } from '../events.js'
import { isDueBefore } from '../every-epochs.js'
import { seedAt } from '../seeds.js'
import type { Plugin, Trainer } from '../trainer.js'

/** A plugin has shifted the model. */
export interface ShiftEvent extends WaitingEvent {
  /** What the shift did. */
  readonly shift: ShiftRecord
  /** What was done to the optimizer's momentum for the layer. */
  readonly momentum: 'keep' | 'project' | 'zero'
}

declare module '../events.js' {
  interface EventTypes {
    shift: ShiftEvent
  }
}

/** Options of {@link sosDuringTraining}: those of a shift, and when to shift. */
export interface SosOptions extends Omit<ShiftOptions, 'indices' | 'device' | 'onProgress' | 'signal'> {
  /** The number of epochs from one shift to the next. Default: 1, as in Algorithm 1. */
  everyEpochs?: number
  /** The first epoch, counted from 0, before which the weights are shifted. Default: 0, as in Algorithm 1. */
  startEpoch?: number
  /**
   * What to do with the momentum of the layer's weight, which still has the directions that the shift removed from the weight: `keep` it,
   * `project` it onto the directions that remain, or set it to `zero`. The paper does not say. Default: keep.
   */
  momentum?: ShiftEvent['momentum']
}

const sosNumbers: NumberChecks<SosOptions> = { ...shiftNumbers, everyEpochs: count, startEpoch: whole(0) }

/**
 * A plugin for stochastic optimum shifting (Zhou et al., Algorithm 1). Before the steps of an epoch it replaces the weight of the last
 * layer by the weight of least norm that has the same outputs on a small batch. The batch is drawn anew each time. The event `shift` has
 * the result.
 *
 * If there are several processes, each computes its part of the layer's inputs; the first one solves, and all of them get its
 * weights.
 *
 * @param options see {@link SosOptions}. Default: before each epoch, with the defaults of `shiftOptimum`
 * @returns the plugin, for `trainer.use`
 * @throws `ERR_INVALID_ARGUMENT` and the codes of `shiftOptimum` for its options
 * @example
 * trainer.use(sosDuringTraining({ batchSize: 50 }))
 * trainer.on('shift', ({ epoch, shift }) => console.log(epoch, shift.rank, shift.normAfter < shift.normBefore)) // → 0 50 true
 * await trainer.run()
 */
export function sosDuringTraining(options: SosOptions = {}): Plugin {
  expectObject('options', options)
  const { everyEpochs = 1, startEpoch = 0, momentum = 'keep', ...shift } = options
  checkNumbers(options, sosNumbers)
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  return (trainer) => {
    const { name, size } = trainer.data
    if (shift.batchSize !== undefined && shift.batchSize > size) {
      throw new SosError(
        'ERR_BATCH_SIZE',
        `expected a batch of at most ${size} samples to shift by, which are all samples of ${name}, but received ${shift.batchSize}: choose a smaller batchSize of sosDuringTraining ("sos": { "batchSize": … } in a configuration)`,
      )
    }
    trainer.on('epochStart', async ({ epoch }) => {
      if (!isDueBefore(epoch, everyEpochs, startEpoch)) return
      const record = await shiftNow(trainer, epoch, { ...trainer.outputOptions, ...shift }, momentum)
      if (record !== null) await trainer.tell('shift', { shift: record, momentum })
    })
  }
}

/** @returns null in processes other than the first */
async function shiftNow(
  trainer: Trainer,
  epoch: number,
  options: ShiftOptions,
  momentum: ShiftEvent['momentum'],
): Promise<ShiftRecord | null> {
  const { model, data, device, parallel } = trainer
  const layer = shiftableLayer(model, options.layer, options.output)
  const seed = seedAt(options.seed ?? trainer.seed, 'shift', epoch)
  const drawn = drawBatch(data, layer, { ...options, seed })
  const momenta = momentaOf(trainer, layer.path)
  return torch.noGrad(() =>
    scope(async () => {
      await parallel.broadcast([...model.namedBuffers().values()])
      const shift = async () => {
        using held = model.viewToShift()
        const given = { ...options, device, seed }
        const captured = await captureTogether(trainer, held, layer, drawn, given)
        if (parallel.rank !== 0) return null
        const companions = momentum === 'project' ? { companions: momenta } : {}
        return await applyShift(held, layer, data, { ...drawn, ...captured }, { ...given, ...companions })
      }
      const record = await shift()
      if (momentum === 'zero') for (const tensor of momenta) tensor.zero_()
      const parameters = model.namedParameters()
      const shifted = ['weight', 'bias'].flatMap(
        (name) => parameters.get(parameterName(layer.path, name)) ?? [],
      )
      await parallel.broadcast([...shifted, ...momenta])
      return record
    }),
  )
}

/** Each process captures its part of the batch, and all of them get the whole, in the order of the batch. */
async function captureTogether(
  { data, parallel }: Trainer,
  model: ScriptModule,
  layer: ShiftableLayer,
  { indices: drawn }: ShiftBatch,
  options: ShiftOptions,
): Promise<{ rows: Tensor[]; indices: number[] }> {
  const { rank, size } = parallel
  const from = Math.floor((drawn.length * rank) / size)
  const mine = drawn.slice(from, Math.floor((drawn.length * (rank + 1)) / size))
  const capture = { ...options, ...windowsOf(layer, drawn.length, options) }
  const captured = await captureRows(model, layer, data, mine, capture)
  const rows: Tensor[] = []
  for (const group of captured.rows) rows.push(await parallel.gatherRows(group))
  const indices = await parallel.gatherRows(torch.tensor([...captured.indices], { dtype: 'int64' }))
  return { rows, indices: Array.from(indices.toTypedArray() as BigInt64Array, Number) }
}

/** What an optimizer keeps of the past gradients of the layer's weight: SGD's momentum, Adam's first moment. */
function momentaOf(trainer: Trainer, layer: string): Tensor[] {
  const state = trainer.optimizerState()
  return ['momentum', 'first'].flatMap((kept) => state.get(`${kept}.${parameterName(layer, 'weight')}`) ?? [])
}
