import type { ArgumentSource, DataFlow, OperatorCall } from '../../torch/index.js'

/** Operators whose result may share the memory of their first tensor. */
const views = new Set(
  `select slice narrow view view_as reshape flatten unflatten squeeze unsqueeze t transpose permute swapaxes swapdims movedim
  numpy_T expand expand_as detach alias contiguous to type_as chunk split split_with_sizes tensor_split unbind unfold diagonal
  as_strided real imag _unwrap_optional dropout feature_dropout alpha_dropout __getitem__`
    .split(/\s+/)
    .map((name) => `aten::${name}`),
)

/**
 * The first call that writes in place to the result of one of the calls in `made`, which lists them by their places, or
 * to a view of it.
 */
export function writesTo({ calls }: DataFlow, made: ReadonlySet<number>): OperatorCall | undefined {
  return calls.find(({ operator, skipped, arguments: given }, place) => {
    if (skipped || made.has(place)) return false
    const written = writes(operator) ? [Object.values(given)[0]] : [given.out]
    return written.some((source) => source !== undefined && reaches(source))
  })

  function reaches(source: ArgumentSource): boolean {
    const seen = new Set<number>()
    const waiting = [source]
    while (waiting.length > 0) {
      const one = waiting.pop()!
      waiting.push(...(one.choices ?? []), ...(one.items ?? []), ...(one.entries ?? []))
      const { call } = one
      if (call === undefined || seen.has(call)) continue
      if (made.has(call)) return true
      seen.add(call)
      const { operator, arguments: given } = calls[call]!
      const first = Object.values(given)[0]
      if (first !== undefined && (views.has(operator) || writes(operator))) waiting.push(first)
    }
    return false
  }
}

/** True for `aten::mul_`, but not for `aten::__and__`. */
function writes(operator: string): boolean {
  return /[^_]_$/.test(operator)
}
