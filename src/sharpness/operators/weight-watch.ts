import { SosError } from '../../base/index.js'
import { keepTensor, type ScriptModule, scope, type Tensor } from '../../torch/index.js'
import { memoryOf } from '../../torch/internal.js'

interface Watched {
  /** Shares the memory and the counter of writes. While it lives, the memory is not given to another tensor. */
  readonly memory: Tensor
  state: string
}

/** Notices that the parameters or buffers of a model were written to, moved or replaced. */
export class WeightWatch {
  readonly #model: ScriptModule
  readonly #parameters: Map<string, Watched>
  #buffers: Map<string, Watched>

  constructor(model: ScriptModule) {
    this.#model = model
    this.#parameters = scope(() => watched(model.namedParameters()))
    this.#buffers = scope(() => watched(model.namedBuffers()))
  }

  /** Accepts the buffers as they are, after a forward of one's own, which may write to them. */
  noteBuffers(): void {
    release(this.#buffers)
    this.#buffers = scope(() => watched(this.#model.namedBuffers()))
  }

  /** Throws `ERR_WEIGHTS_CHANGED`, which names the first tensor that has changed. */
  expectUnchanged(): void {
    scope(() => {
      const changed =
        firstChange(this.#parameters, this.#model.namedParameters()) ??
        firstChange(this.#buffers, this.#model.namedBuffers())
      if (changed === undefined) return
      throw new SosError(
        'ERR_WEIGHTS_CHANGED',
        `${this.#model.path}: '${changed}' was written to, moved or replaced since the operator was made, so that its products would come from two matrices; make a new operator, or make this one of a clone() of the model`,
      )
    })
  }

  [Symbol.dispose](): void {
    release(this.#parameters)
    release(this.#buffers)
  }
}

function watched(tensors: ReadonlyMap<string, Tensor>): Map<string, Watched> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { memory: keepTensor(tensor.detach()), state: stateOf(name, tensor) },
    ]),
  )
}

function release(all: ReadonlyMap<string, Watched>): void {
  for (const { memory } of all.values()) memory.dispose()
}

function firstChange(
  before: ReadonlyMap<string, Watched>,
  now: ReadonlyMap<string, Tensor>,
): string | undefined {
  const gone = [...before.keys()].find((name) => !now.has(name))
  return gone ?? [...now].find(([name, tensor]) => before.get(name)?.state !== stateOf(name, tensor))?.[0]
}

/** Where a tensor lies, and how often it was written to. */
function stateOf(name: string, tensor: Tensor): string {
  const version = tensor.is_inference() ? 0 : tensor._version()
  return `${placeOf(name, tensor)} ${tensor.dtype} ${tensor.device} ${version}`
}

function placeOf(name: string, tensor: Tensor): string {
  try {
    const { storage, start } = memoryOf(name, tensor)
    return `${storage}+${start}`
  } catch {
    return tensor.layout // A sparse or quantised buffer has no single storage.
  }
}
