import { SosError } from '../../base/index.js'
import type { OutputItem } from '../../model/index.js'
import { findOutputLayer, isOutputOf, parameterName, parametersAt } from '../../model/internal.js'
import { type HookHandle, type ScriptModule, Tensor } from '../../torch/index.js'
import type { Classifier } from '../collapse/neural-collapse.js'
import { notLast } from '../last-layer.js'

/** A model's last layer with the names of its weight and its bias. */
export interface NamedClassifier extends Classifier {
  readonly names: readonly string[]
}

/** The linear layer that makes a model's output, and what it is given in each forward. */
export class WatchedLastLayer implements Disposable {
  /** The name of its weight among the model's parameters. */
  readonly weightName: string
  /** The name that its bias has, if there is one. */
  readonly biasName: string
  readonly #path: string
  readonly #hook: HookHandle
  #heard: Tensor[] = []

  /**
   * Finds the layer, and listens to it until this is disposed of.
   *
   * @throws `ERR_NO_OUTPUT_LAYER` if the model's output is not that of a linear layer, or its softmax
   */
  constructor(model: ScriptModule, item?: OutputItem) {
    const path = pathOfLast(model, item)
    if (path === null) {
      throw new SosError(
        'ERR_NO_OUTPUT_LAYER',
        `${model.path}: expected a linear layer that makes the model's output, since its other weights are to be compared, but ${whyNone(model, item)}`,
      )
    }
    this.#path = path
    this.weightName = parameterName(path, 'weight')
    this.biasName = parameterName(path, 'bias')
    this.#hook = model.registerForwardPreHook(path, ({ inputs: [input] }) => {
      if (input instanceof Tensor) this.#heard.push(input)
    })
  }

  /** The layer's weight and bias in a model. */
  static classifierOf(model: ScriptModule, item?: OutputItem): NamedClassifier | null {
    const path = pathOfLast(model, item)
    if (path === null) return null
    const { weight, bias } = parametersAt(model, path)
    const names = ['weight', 'bias'].map((name) => parameterName(path, name))
    return weight === null ? null : { weight, bias, names }
  }

  /** What the layer was given since the last call, [images, m], in float64; null if it is not one row for each image. */
  inputs(images: number): Tensor | null {
    const heard = this.#heard
    this.#heard = []
    const [input] = heard
    const isRows = heard.length === 1 && input!.ndim === 2 && input!.shape[0] === images
    return isRows ? input!.to('float64') : null
  }

  /** As {@link inputs}, but throws `ERR_NOT_LAST` if there is not one row for each image. */
  expectInputs(images: number): Tensor {
    const inputs = this.inputs(images)
    if (inputs !== null) return inputs
    throw notLast(this.#path, 'it does not get one row for each image')
  }

  /** Throws `ERR_NOT_LAST` unless a model's output is these logits, or their softmax or log-softmax. */
  expectOutput(logits: Tensor, output: Tensor): void {
    if (isOutputOf(logits.to(output.dtype), output)) return
    throw notLast(this.#path, "its output is not the model's: something comes after it")
  }

  [Symbol.dispose](): void {
    this.#hook.remove()
    this.#heard = []
  }
}

function pathOfLast(model: ScriptModule, item?: OutputItem): string | null {
  if (model.kind === 'frozen') return null
  const found = findOutputLayer(model, item)
  if (typeof found === 'string' || found.steps.some((step) => step === 'aten::mean')) return null
  return found.layer.path
}

function whyNone(model: ScriptModule, item?: OutputItem): string {
  const found = findOutputLayer(model, item)
  return typeof found === 'string' ? found : `${found.steps.join(', ')} comes after '${found.layer.path}'`
}
