import { SosError } from '../../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'
import { isHalf } from '../../torch/internal.js'
import type { OptimizerState } from './optimizer.js'

/** What an optimizer keeps for each parameter, such as its momentum. A name is `KEY.PARAMETER`, for example `momentum.fc.weight`. */
export class KeptTensors {
  readonly #parameters: ReadonlyMap<string, Tensor>
  readonly #makers: readonly [key: string, make: (parameter: Tensor) => Tensor][]
  readonly #tensors: OptimizerState = new Map()

  /** @param makers for each key a function that makes a tensor of zeros for a parameter */
  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    makers: Readonly<Record<string, (parameter: Tensor) => Tensor>>,
  ) {
    this.#parameters = parameters
    this.#makers = Object.entries(makers)
  }

  /** An empty list for each key. */
  emptyLists(): Record<string, Tensor[]> {
    return Object.fromEntries(this.#makers.map(([key]) => [key, []]))
  }

  /** Makes the tensors of a parameter if they are missing. @returns whether it made them */
  make(name: string): boolean {
    if (this.#makers.every(([key]) => this.#tensors.has(`${key}.${name}`))) return false
    const parameter = this.#parameters.get(name)!
    scope(() => {
      const like = isHalf(parameter.dtype) ? torch.empty_like(parameter, { dtype: 'float32' }) : parameter
      for (const [key, make] of this.#makers) this.#tensors.set(`${key}.${name}`, keepTensor(make(like)))
    })
    return true
  }

  of(key: string, name: string): Tensor {
    return this.#tensors.get(`${key}.${name}`)!
  }

  all(): OptimizerState {
    return new Map(this.#tensors)
  }

  /** Overwrites the tensors with a state. Throws `ERR_CHECKPOINT` if the state belongs to another optimizer or to other parameters. */
  restore(state: OptimizerState): void {
    this.#expectOwn(state)
    torch.noGrad(() =>
      scope(() => {
        for (const tensor of this.#tensors.values()) tensor.dispose()
        this.#tensors.clear()
        for (const name of this.#parameters.keys()) {
          if (!this.#makers.some(([key]) => state.has(`${key}.${name}`))) continue
          this.make(name)
          for (const [key] of this.#makers) this.of(key, name).copy_(state.get(`${key}.${name}`)!)
        }
      }),
    )
  }

  #expectOwn(state: OptimizerState): void {
    const owners = new Map<string, Tensor>()
    for (const [name, parameter] of this.#parameters)
      for (const [key] of this.#makers) owners.set(`${key}.${name}`, parameter)
    for (const [name, tensor] of state) {
      const owner = owners.get(name)
      if (owner !== undefined && fits(name, tensor, owner)) continue
      throw new SosError(
        'ERR_CHECKPOINT',
        `expected the state of this optimizer on these parameters but received '${name}' ${tensor.dtype} [${tensor.shape}]: was it another optimizer, or another model?`,
      )
    }
  }
}

/** A count of steps is a scalar. All else has the shape of its parameter, and its dtype, or float32 if that is half precision. */
function fits(name: string, { shape, dtype }: Tensor, parameter: Tensor): boolean {
  if (name.startsWith('steps.')) return shape.length === 0 && dtype === 'float32'
  const expected = isHalf(parameter.dtype) ? 'float32' : parameter.dtype
  return String(shape) === String(parameter.shape) && dtype === expected
}
