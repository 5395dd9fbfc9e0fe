import type { ArgumentSource, OperatorCall } from '../../torch/binding.js'
import type { ScriptModule } from '../../torch/module/script-module.js'
import { storageOf } from '../../torch/serialization/storage.js'
import type { Tensor } from '../../torch/tensor/tensor.js'

/** How often a model's forward reads the memory of each of its tensors: what more than one layer reads is tied. */
export class WeightReads {
  readonly #called: readonly string[]
  /** By the tensor's name: the storage that it lies in. */
  readonly #storages: ReadonlyMap<string, bigint>
  /** By the storage: how many arguments of operators are tensors in it. */
  readonly #counts = new Map<bigint, number>()

  constructor(model: ScriptModule) {
    this.#called = ['', ...model.calledSubmodules()]
    const tensors = [...model.namedParameters(), ...model.namedBuffers()]
    this.#storages = new Map(
      tensors.flatMap(([name, tensor]) =>
        tensor.layout === 'strided' && !/^qu?int/.test(tensor.dtype) ? [[name, storageId(name, tensor)]] : [],
      ),
    )
    for (const name of model.operatorCalls().flatMap(attributesOf)) {
      const id = this.#storages.get(name)
      if (id !== undefined) this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1)
    }
  }

  /**
   * Whether anything but the submodule at `path` reads its `weight`, or another tensor in the same memory.
   *
   * @param calls what the submodule's own forward calls
   */
  beyond(path: string, calls: readonly OperatorCall[]): boolean {
    const id = this.#storages.get(path === '' ? 'weight' : `${path}.weight`)!
    const own = calls.flatMap(attributesOf).filter((name) => name === 'weight').length
    const times = this.#called.filter((called) => called === path).length
    return this.#counts.get(id)! > own * times
  }
}

function storageId(name: string, tensor: Tensor): bigint {
  return storageOf(name, tensor).id
}

function attributesOf(call: OperatorCall): string[] {
  return Object.values(call.arguments).flatMap(namesIn)
}

function namesIn({ attribute, items = [] }: ArgumentSource): string[] {
  return attribute === undefined ? items.flatMap(namesIn) : [attribute]
}
