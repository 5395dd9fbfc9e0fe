import { type ArgumentSource, type DType, type ModuleTree, type OperatorCall, scope } from '../torch/index.js'
import { isFloating } from '../torch/internal.js'

/** Operators whose arguments must all have one dtype. */
const products =
  /^aten::(_?conv\w*|linear|addmm|addmv|mm|mv|bmm|baddbmm|matmul|einsum|lstm|gru|rnn_\w+|scaled_dot_product_attention)$/
const casts = /^aten::(to|_to_copy|type_as|half|float|double|bfloat16)$/

/**
 * Finds the floating-point dtype in which a model takes its first input. It is the dtype of the weights of the first
 * product on the input's way, for example of the first convolution. If the input meets no product, it is that of the
 * model's first floating-point weight. Null if the model's code casts its input itself, or the model has no such
 * weight, or no forward: any dtype will do then.
 */
export function inputDtype(model: ModuleTree): DType | null {
  if (!model.methods.some((schema) => schema.startsWith('forward('))) return null
  const { calls } = model.dataFlow()
  const flow = new InputFlow(calls)
  for (const [i, call] of calls.entries()) {
    if (call.skipped || !flow.reaches(i)) continue
    if (casts.test(call.operator)) return null
    const dtype = products.test(call.operator) ? flow.weightDtype(call) : null
    if (dtype !== null) return dtype
  }
  return scope(() => {
    const weights = [...model.namedParameters().values(), ...model.namedBuffers().values()]
    return weights.find(({ dtype }) => isFloating(dtype))?.dtype ?? null
  })
}

/** Finds the calls that work on values computed from the first input, and the dtypes of their weights. */
class InputFlow {
  readonly #reached: boolean[] = []
  readonly #dtypes: (DType | null)[] = []

  constructor(calls: readonly OperatorCall[]) {
    for (const call of calls) {
      const sources = Object.values(call.arguments)
      const reached = sources.some((source) => this.#isReached(source))
      this.#reached.push(reached)
      this.#dtypes.push(reached || casts.test(call.operator) ? null : this.#firstDtype(sources))
    }
  }

  reaches(call: number): boolean {
    return this.#reached[call]!
  }

  weightDtype({ arguments: given }: OperatorCall): DType | null {
    return this.#firstDtype(Object.values(given))
  }

  #isReached(source: ArgumentSource): boolean {
    if (source.input === 0) return true
    if (source.call !== undefined) return this.#reached[source.call] ?? false
    return partsOf(source).some((part) => this.#isReached(part))
  }

  #firstDtype(sources: readonly ArgumentSource[]): DType | null {
    for (const source of sources) {
      const dtype = source.dtype ?? (source.call === undefined ? undefined : this.#dtypes[source.call])
      if (dtype !== undefined && dtype !== null && isFloating(dtype)) return dtype
      const inside = this.#firstDtype(partsOf(source))
      if (inside !== null) return inside
    }
    return null
  }
}

function partsOf({ items, entries, choices }: ArgumentSource): readonly ArgumentSource[] {
  return items ?? entries ?? choices ?? []
}
