import type { ArgumentSource, DataFlow, OperatorCall } from '../../torch/index.js'

/** z = xWᵀ + b, as a graph spells it. */
export interface AffineCall {
  readonly input: ArgumentSource
  readonly weight: ArgumentSource
  /** Null where there is none. */
  readonly bias: ArgumentSource | null
  /** The submodule in whose code it stands. */
  readonly module: string
  readonly operator: string
}

/** The values that conditions choose between; the one value where there is no choice. */
export function alternatives(source: ArgumentSource): readonly ArgumentSource[] {
  return source.choices ?? [source]
}

/** The call that made the value; undefined where none did, or it is one of several results. */
export function callOf({ calls }: DataFlow, { call, output }: ArgumentSource): OperatorCall | undefined {
  return call === undefined || output !== undefined ? undefined : calls[call]
}

/**
 * Reads a value as a linear layer's output: `linear`, or what its Python code was before PyTorch 1.7 and is in old traces and
 * scripts: `addmm` with the transposed weight, or `matmul` with it and `add`. Null where it is none.
 */
export function affineCall(flow: DataFlow, source: ArgumentSource): AffineCall | null {
  const call = callOf(flow, source)
  if (call === undefined) return null
  const { operator, module, arguments: given } = call
  const found = (input: ArgumentSource, weight: ArgumentSource, bias: ArgumentSource | null): AffineCall => ({
    input,
    weight,
    bias: bias?.value === null ? null : bias,
    module,
    operator,
  })
  if (operator === 'aten::linear') return found(given.input!, given.weight!, given.bias ?? null)
  if (operator === 'aten::matmul' || operator === 'aten::mm') {
    const weight = transposed(flow, given.other ?? given.mat2!)
    return weight === null ? null : found(given.self!, weight, null)
  }
  if (operator === 'aten::addmm') {
    const weight = transposed(flow, given.mat2!)
    const plain = isOne(given.alpha) && isOne(given.beta)
    return weight === null || !plain ? null : found(given.mat1!, weight, given.self!)
  }
  if ((operator === 'aten::add' || operator === 'aten::add_') && isOne(given.alpha)) {
    for (const [product, bias] of [
      [given.self, given.other],
      [given.other, given.self],
    ]) {
      const inner = bias?.attribute === undefined ? null : affineCall(flow, product!)
      if (inner !== null && inner.bias === null && inner.module === module) {
        return found(inner.input, inner.weight, bias!)
      }
    }
  }
  return null
}

/** What the value is the transposed matrix of. */
function transposed(flow: DataFlow, source: ArgumentSource): ArgumentSource | null {
  const call = callOf(flow, source)
  if (call === undefined) return null
  const { operator, arguments: given } = call
  if (operator === 'aten::t' || operator === 'aten::numpy_T') return given.self ?? given.a ?? null
  const dims =
    operator === 'aten::transpose'
      ? [given.dim0?.value, given.dim1?.value]
      : operator === 'aten::permute'
        ? given.dims?.value
        : null
  if (!Array.isArray(dims) || dims.length !== 2) return null
  const [first, second] = dims.map((dim) => (Number(dim) + 2) % 2)
  const swaps = operator === 'aten::permute' ? first === 1 && second === 0 : first !== second
  return swaps ? given.self! : null
}

/** Also where it is left out. */
function isOne(source: ArgumentSource | undefined): boolean {
  return source === undefined || (source.value !== undefined && Number(source.value) === 1)
}
