import type { ArgumentSource, DataFlow, OperatorCall } from '../../torch/index.js'

/** z = xWᵀ + b, as a graph spells it. */
export interface AffineCall {
  readonly input: ArgumentSource
  readonly weight: ArgumentSource
  /** Null if there is none. */
  readonly bias: ArgumentSource | null
  /** The submodule whose code contains the call. */
  readonly module: string
  readonly operator: string
}

/** The values that a condition chooses between; the value itself if there is no condition. */
export function alternatives(source: ArgumentSource): readonly ArgumentSource[] {
  return source.choices ?? [source]
}

/** The call that made the value; undefined if none did, or if the value is one of several results. */
export function callOf({ calls }: DataFlow, { call, output }: ArgumentSource): OperatorCall | undefined {
  return call === undefined || output !== undefined ? undefined : calls[call]
}

/**
 * Reads a value as the output of a linear layer: of `linear`, or of what Python's code called before PyTorch 1.7, which
 * old traces and scripts still contain: `addmm` with the transposed weight, or `matmul` with it followed by `add`. Null
 * if it is none of these.
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

/** The matrix that the value is the transpose of; null if it is not a transpose. */
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

/** Whether an argument is 1, or left out. */
function isOne(source: ArgumentSource | undefined): boolean {
  return source === undefined || (source.value !== undefined && Number(source.value) === 1)
}
