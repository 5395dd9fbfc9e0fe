import { SosError, shown } from '../../base/index.js'
import { currentContext, runIn } from './context.js'

/** Each has a bit of the modes, from bit 11 on, in the order of at::SDPBackend (native/core/context/attention.h). */
const kernels: readonly SDPBackend[] = ['math', 'flash_attention', 'efficient_attention', 'cudnn_attention']

/**
 * A way to compute `scaled_dot_product_attention`. `math` uses matrix products and a softmax, and has derivatives of any order. The others
 * are fused kernels, which only have a first derivative. The CPU has `math` and `flash_attention`.
 */
export type SDPBackend = 'math' | 'flash_attention' | 'efficient_attention' | 'cudnn_attention'

const FIRST = 11
const ALL = (1 << kernels.length) - 1

/**
 * Runs a function in which `scaled_dot_product_attention` uses only the given kernels, also in TorchScript modules.
 *
 * Other tasks are not affected, unlike in Python, where `torch.nn.attention.sdpa_kernel(backends)` holds for the whole process. Inside
 * another `sdpaKernel` the inner one holds. A kernel that `torch.backends` switches off stays off.
 *
 * @param allowed one kernel or several; libtorch chooses among several
 * @param body a synchronous or asynchronous function; the setting holds in it across every `await`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` for another name, or for an empty list. If none of the kernels can compute the arguments, the operator
 *   throws `ERR_TORCH`.
 * @example
 * const q = torch.ones([1, 1, 2, 4]).requires_grad_()
 * const loss = torch.nn.attention.sdpaKernel('math', () => torch.scaled_dot_product_attention(q, q, q).square().sum())
 * const [product] = await hvp(loss, [q], [q]) // a fused kernel has no second derivative
 * console.log(product?.shape)
 * // → [ 1, 1, 2, 4 ]
 */
export function sdpaKernel<T>(allowed: SDPBackend | readonly SDPBackend[], body: () => T): T {
  const names: readonly SDPBackend[] = Array.isArray(allowed) ? allowed : [allowed]
  const wrong = names.findIndex((name) => !kernels.includes(name))
  if (wrong !== -1 || names.length === 0) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected one of ${kernels.join(', ')}, or several, as the kernels of attention but received ${names.length === 0 ? 'none' : shown(names[wrong])}`,
    )
  }
  const excluded = ALL & ~names.reduce((bits, name) => bits | (1 << kernels.indexOf(name)), 0)
  return runIn({ modes: (currentContext().modes & ~(ALL << FIRST)) | (excluded << FIRST) }, body)
}
