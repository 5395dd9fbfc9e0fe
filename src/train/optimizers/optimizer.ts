import type { Tensor } from '../../torch/index.js'

/** What an optimizer works on. */
export interface Target {
  /** The parameters that require gradients, by their dotted names. They are the model's own memory. */
  readonly parameters: ReadonlyMap<string, Tensor>
  /** The buffers, such as BatchNorm's statistics, which a forward in train mode changes. */
  readonly buffers: ReadonlyMap<string, Tensor>
}

/** A loss and its gradients at the weights of the moment. */
export interface LossAndGradients {
  /** A scalar, detached, on the model's device. */
  readonly loss: Tensor
  /** In the order of the target's parameters; null for one that the loss does not depend on. */
  readonly gradients: readonly (Tensor | null)[]
}

/** Computes the loss of the batch and its gradients, at the weights of the moment. */
export type Closure = () => Promise<LossAndGradients>

/** The tensors that an optimizer keeps, by names such as `momentum.fc.weight`: what a checkpoint holds of it. */
export type OptimizerState = Map<string, Tensor>

/** Changes the parameters of its target. */
export interface Optimizer {
  /**
   * One step from the loss that `closure` computes; SAM calls it twice.
   *
   * @param learningRate of this step
   * @returns the loss before the step, as the closure gave it
   */
  step(closure: Closure, learningRate: number): Promise<Tensor>
  /** What it keeps of the past, the tensors themselves. */
  state(): OptimizerState
  /** Goes on from a state: copies it. Throws `ERR_CHECKPOINT` for one that is not of this optimizer and target. */
  restore(state: OptimizerState): void
}

/** Makes an optimizer for a model: `sgd({ momentum: 0.9 })`, or `sam(sgd({ momentum: 0.9 }))`. */
export interface OptimizerRecipe {
  /** The learning rate before the schedule's factor. */
  readonly learningRate: number
  /** What it is, as a checkpoint tells it: name and numbers. */
  readonly description: Readonly<Record<string, unknown>>
  create(target: Target): Optimizer
}
