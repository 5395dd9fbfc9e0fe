import { checkNumbers, count, expectObject, type NumberChecks, whole } from '../../base/index.js'
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

/** A shift was made. */
export interface ShiftEvent extends WaitingEvent {
  readonly shift: ShiftRecord
  /** What was done to the optimizer's momentum of the layer. */
  readonly momentum: 'keep' | 'project' | 'zero'
}

declare module '../events.js' {
  interface EventTypes {
    shift: ShiftEvent
  }
}

export interface SosOptions extends Omit<ShiftOptions, 'indices' | 'device' | 'onProgress' | 'signal'> {
  /** Epochs from one shift to the next. Default: 1, Algorithm 1's. */
  everyEpochs?: number
  /** The first epoch, from 0, before which the weights are shifted. Default: 0, Algorithm 1's. */
  startEpoch?: number
  /**
   * What becomes of the momentum of the layer's weight, which still holds the directions that the shift took out: `keep` it,
   * `project` it on those that were kept, or set it to `zero`. The paper does not say. Default: keep.
   */
  momentum?: ShiftEvent['momentum']
}

const sosNumbers: NumberChecks<SosOptions> = { ...shiftNumbers, everyEpochs: count, startEpoch: whole(0) }

/**
 * Stochastic optimum shifting in training (Zhou et al., Algorithm 1): before the steps of an epoch, the weight of the last
 * layer is replaced by the least-norm one with the same outputs on a small batch, drawn anew each time. A shift is told by
 * the event `shift`.
 *
 * Of several processes each computes its part of the layer's inputs, the first solves, and all get its weights.
 *
 * @example
 * trainer.use(sosDuringTraining({ batchSize: 300 }))
 */
export function sosDuringTraining(options: SosOptions = {}): Plugin {
  expectObject('options', options)
  const { everyEpochs = 1, startEpoch = 0, momentum = 'keep', ...shift } = options
  checkNumbers(options, sosNumbers)
  if (options.rank !== undefined) checkRankPolicy(options.rank)
  return (trainer) => {
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

/** Each process captures its part of the batch; all get the whole, in the order of the batch. */
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

/** What an optimizer keeps of past gradients of the layer's weight: SGD's momentum, Adam's first moment. */
function momentaOf(trainer: Trainer, layer: string): Tensor[] {
  const state = trainer.optimizerState()
  return ['momentum', 'first'].flatMap((kept) => state.get(`${kept}.${parameterName(layer, 'weight')}`) ?? [])
}
