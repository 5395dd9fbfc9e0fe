import { SosError } from '../../base/index.js'
import { type Tensor, torch } from '../../torch/index.js'
import type { Classifier } from '../collapse/neural-collapse.js'

/** Several classifiers that share their inputs, and the directions in which their weights move together. */
export class Classifiers {
  /** How many there are. */
  readonly count: number
  readonly #weights: Tensor
  readonly #biases: Tensor | null
  readonly #weightDirections: readonly (Tensor | undefined)[]
  readonly #biasDirections: readonly (Tensor | undefined)[]

  /**
   * Copies the classifiers to a device, in float64.
   *
   * @param weightDirections for each direction, that of the weight, [K, m]; undefined if the weight does not move
   * @param biasDirections for each direction, that of the bias, [K]
   */
  constructor(
    classifiers: readonly Classifier[],
    weightDirections: readonly (Tensor | undefined)[],
    biasDirections: readonly (Tensor | undefined)[],
    device: string,
  ) {
    const placed = (tensor: Tensor) => tensor.detach().to({ device, dtype: 'float64' })
    const biasOf = ({ weight, bias }: Classifier) =>
      bias === null ? torch.zeros([weight.shape[0]!], { device, dtype: 'float64' }) : placed(bias)
    const has = classifiers.some(({ bias }) => bias !== null)
    this.count = classifiers.length
    this.#weights = torch.stack(classifiers.map(({ weight }) => placed(weight)))
    this.#biases = has ? torch.stack(classifiers.map(biasOf)) : null
    this.#weightDirections = weightDirections.map((direction) => direction && placed(direction))
    this.#biasDirections = biasDirections.map((direction) => direction && placed(direction))
  }

  /**
   * The logits of all classifiers at a place.
   *
   * @param inputs [N, m], float64
   * @returns [N, classifiers, K], float64
   */
  async logits(inputs: Tensor, coordinates: readonly number[]): Promise<Tensor> {
    const weight = moved(this.#weights, this.#weightDirections, coordinates)
    const bias = this.#biases && moved(this.#biases, this.#biasDirections, coordinates)
    const [, classes, features] = weight.shape as [number, number, number]
    const rows = weight.reshape([this.count * classes, features])
    const all = await torch.async.linear(inputs, rows, bias?.reshape([-1]) ?? null)
    return all.reshape([inputs.shape[0]!, this.count, classes])
  }
}

/** Throws `ERR_SHAPE` unless all heads have the shapes of a model's last layer. */
export function expectClassifiers(own: Classifier, heads: readonly Classifier[]): void {
  const [classes, features] = own.weight.shape
  for (const { weight, bias } of heads) {
    const fits = String(weight.shape) === String(own.weight.shape)
    if (fits && (bias === null || String(bias.shape) === String([classes]))) continue
    throw new SosError(
      'ERR_SHAPE',
      `expected heads like the last layer of the model, a weight [${classes}, ${features}] with a bias [${classes}] or null, but received [${weight.shape.join(', ')}] and ${bias === null ? 'null' : `[${bias.shape.join(', ')}]`}`,
    )
  }
}

/** stack + Σ_k c_k d_k, where each direction moves all of the stack. */
function moved(
  stack: Tensor,
  directions: readonly (Tensor | undefined)[],
  coordinates: readonly number[],
): Tensor {
  return directions.reduce<Tensor>(
    (sum, direction, k) => (direction === undefined ? sum : sum.add(direction, { alpha: coordinates[k]! })),
    stack,
  )
}
