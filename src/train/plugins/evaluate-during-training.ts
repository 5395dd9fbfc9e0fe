import { checkNumbers, count, expectObject } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { type EvaluateOptions, type Evaluation, evaluate } from '../../evaluate/index.js'
import { evaluateNumbers } from '../../evaluate/internal.js'
import { expectSameClasses } from '../../model/internal.js'
import type { WaitingEvent } from '../events.js'
import { isDueAfter } from '../every-epochs.js'
import type { Plugin } from '../trainer.js'

/** A plugin has evaluated the model. */
export interface EvaluationEvent extends WaitingEvent {
  /** The scores of the model. */
  readonly evaluation: Evaluation
}

declare module '../events.js' {
  interface EventTypes {
    evaluation: EvaluationEvent
  }
}

/** Options of {@link evaluateDuringTraining}: those of `evaluate`, and how often. */
export interface EvaluateDuringTrainingOptions extends Omit<EvaluateOptions, 'device' | 'record'> {
  /** The number of epochs from one evaluation to the next. After the last epoch the model is always evaluated. Default: 1. */
  everyEpochs?: number
}

/**
 * A plugin that evaluates the model after epochs, and reports the result by the event `evaluation`. It takes the same item of the
 * model's output as the trainer, unless an option says otherwise. It listens to `epochEnd`: listeners that were added later are
 * called after the evaluation. If there are several processes, only the first evaluates.
 *
 * @param dataset the images to evaluate on, with the same classes as the training data
 * @param options see {@link EvaluateDuringTrainingOptions}. Default: all images, after each epoch
 * @returns the plugin, for `trainer.use`
 * @throws `ERR_INVALID_ARGUMENT`; when it is added to a trainer, `ERR_LABELS` if the classes of the two datasets differ
 * @example
 * trainer.use(evaluateDuringTraining(test, { limit: 20 }))
 * trainer.on('evaluation', ({ epoch, evaluation }) => console.log(epoch, evaluation.images)) // → 0 20
 * await trainer.run()
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
