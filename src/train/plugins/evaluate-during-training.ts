import { checkNumbers, count, expectObject } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { type EvaluateOptions, type Evaluation, evaluate } from '../../evaluate/index.js'
import { evaluateNumbers } from '../../evaluate/internal.js'
import { expectSameClasses } from '../../model/internal.js'
import type { WaitingEvent } from '../events.js'
import { isDueAfter } from '../every-epochs.js'
import type { Plugin } from '../trainer.js'

/** The model was evaluated. */
export interface EvaluationEvent extends WaitingEvent {
  readonly evaluation: Evaluation
}

declare module '../events.js' {
  interface EventTypes {
    evaluation: EvaluationEvent
  }
}

export interface EvaluateDuringTrainingOptions extends Omit<EvaluateOptions, 'device' | 'record'> {
  /** Epochs from one evaluation to the next; the last epoch is always evaluated. Default: 1. */
  everyEpochs?: number
}

/**
 * Evaluates the model after epochs, its logits being what the trainer takes for them unless an option says otherwise, before their `epochEnd` reaches listeners that were added later; told by the event
 * `evaluation`. Of several processes the first evaluates.
 */
export function evaluateDuringTraining(
  dataset: Dataset,
  options: EvaluateDuringTrainingOptions = {},
): Plugin {
  expectDataset('dataset', dataset)
  expectObject('options', options)
  const { everyEpochs = 1, ...rest } = options
  checkNumbers<EvaluateDuringTrainingOptions>(options, { ...evaluateNumbers, everyEpochs: count })
  return (trainer) => {
    const { model, data, device, parallel } = trainer
    expectSameClasses(model, data, dataset)
    if (parallel.rank !== 0) return
    trainer.on('epochEnd', async ({ epoch }) => {
      if (!isDueAfter(epoch, everyEpochs, trainer.epochs)) return
      const evaluation = await evaluate(model, dataset, { ...trainer.outputOptions, ...rest, device })
      await trainer.tell('evaluation', { evaluation })
    })
  }
}
