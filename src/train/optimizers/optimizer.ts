import type { Tensor } from '../../torch/index.js'

/** The parameters that an optimizer changes, and the model's buffers. */
export interface Target {
  /** The parameters that require gradients, by their dotted names. They are the model's own tensors. */
  readonly parameters: ReadonlyMap<string, Tensor>
  /** The buffers, such as BatchNorm's statistics, which a forward in train mode changes. */
  readonly buffers: ReadonlyMap<string, Tensor>
}

/** A loss and its gradients at the current weights. */
export interface LossAndGradients {
  /** A scalar, detached, on the model's device. */
  readonly loss: Tensor
  /** The gradients, in the order of the target's parameters; null for a parameter that the loss does not depend on. */
  readonly gradients: readonly (Tensor | null)[]
}

/** Computes the loss of the batch and its gradients at the current weights. */
export type Closure = () => Promise<LossAndGradients>

/** The tensors that an optimizer keeps from step to step, by names such as `momentum.fc.weight`. A checkpoint holds them. */
export type OptimizerState = Map<string, Tensor>

/** Changes the parameters of its target, step by step. */
export interface Optimizer {
  /**
   * Makes one step.
   *
   * @param closure computes the loss and its gradients; SAM calls it twice
   * @param learningRate the learning rate of this step
   * @returns the loss before the step, as the closure gave it
   */
  step(closure: Closure, learningRate: number): Promise<Tensor>
  /** The tensors that it keeps; they are not copies. */
  state(): OptimizerState
  /**
   * Takes over a state by copying it.
   *
   * @param state as `state` returned it, in this run or an earlier one
   * @throws `ERR_CHECKPOINT` if it is not the state of such an optimizer on such parameters
   */
  restore(state: OptimizerState): void
}

/** Makes an optimizer for a model. Examples are `sgd({ learningRate: 0.1 })` and `sam(sgd({ learningRate: 0.1 }))`. */
export interface OptimizerRecipe {
  /** The learning rate before the schedule's factor. */
  readonly learningRate: number
  /** Its name and numbers. A checkpoint has them, and a run with another optimizer does not continue from it. */
  readonly description: Readonly<Record<string, unknown>>
  /** Makes the optimizer for some parameters. */
  create(target: Target): Optimizer
}
