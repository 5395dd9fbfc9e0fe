import type { ArgumentSource, OperatorCall, ScriptModule } from '../../torch/index.js'
import { type Memory, memoryOf, overlap } from '../../torch/internal.js'

/**
 * Counts how often a model's forward reads the memory of each of its tensors. A weight is tied if something beside its
 * own layer reads it.
 */
export class WeightReads {
  readonly #called: readonly string[]
  readonly #memory: ReadonlyMap<string, Memory>
  /** How often each tensor is an argument of an operator, by its name. */
  readonly #counts = new Map<string, number>()

  constructor(model: ScriptModule) {
    this.#called = ['', ...model.calledSubmodules()]
    const tensors = [...model.namedParameters(), ...model.namedBuffers()]
    this.#memory = new Map(
      tensors.flatMap(([name, tensor]) =>
        tensor.layout === 'strided' && !/^qu?int/.test(tensor.dtype) ? [[name, memoryOf(name, tensor)]] : [],
      ),
    )
    for (const name of model.operatorCalls().flatMap(attributesOf)) {
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    }
  }

  /**
   * Whether anything but the submodule at `path` reads its `weight` or `bias`, or another tensor in the same memory.
   *
   * @param calls what the submodule's own forward calls
   */
  beyond(path: string, calls: readonly OperatorCall[], own: 'weight' | 'bias' = 'weight'): boolean {
    const memory = this.#memoryOf(path, own)
    const reads = [...this.#counts].filter(([name]) => overlap(memory, this.#memory.get(name) ?? null))
    const all = reads.reduce((sum, [, count]) => sum + count, 0)
    const times = this.#called.filter((called) => called === path).length
    return all > calls.flatMap(attributesOf).filter((name) => name === own).length * times
  }

  /**
   * Whether several elements of the `weight` at `path` share one place in memory, so that they cannot be written one by
   * one.
   */
  repeats(path: string): boolean {
    return this.#memoryOf(path, 'weight').repeats
  }

  /** Whether an operator of forward reads the tensor of this name. */
  isRead(name: string): boolean {
    return this.#counts.has(name)
  }

  #memoryOf(path: string, name: string): Memory {
    return this.#memory.get(path === '' ? name : `${path}.${name}`)!
  }
}

function attributesOf(call: OperatorCall): string[] {
  return Object.values(call.arguments).flatMap(namesIn)
}

function namesIn({ attribute, items = [], entries = [], choices = [] }: ArgumentSource): string[] {
  return attribute === undefined ? [...items, ...entries, ...choices].flatMap(namesIn) : [attribute]
}
