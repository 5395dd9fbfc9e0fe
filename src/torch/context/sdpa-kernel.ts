import { SosError, shown } from '../../base/index.js'
import { currentContext, runIn } from './context.js'

/** Each by its bit from bit 11 of the modes on: its number in at::SDPBackend (native/core/attention.h). */
const kernels: readonly SDPBackend[] = ['math', 'flash_attention', 'efficient_attention', 'cudnn_attention']

/**
 * How `scaled_dot_product_attention` is computed: by matrix products and a softmax (`math`), which has derivatives of any order, or by
 * a fused kernel, which has a first one. The CPU has `math` and `flash_attention`.
 */
export type SDPBackend = 'math' | 'flash_attention' | 'efficient_attention' | 'cudnn_attention'

const FIRST = 11
const ALL = (1 << kernels.length) - 1

/**
 * Runs `body`, sync or async, in which `scaled_dot_product_attention` takes one of these kernels alone, in TorchScript modules too. It
 * holds across `await` and is not seen by others; within another `sdpaKernel` the inner one holds. A kernel that `torch.backends`
 * switches off stays off. As Python's `torch.nn.attention.sdpa_kernel(backends)`, which is of the whole process.
 *
 * @example
 * const loss = await sdpaKernel('math', async () => torch.cross_entropy_loss(await model.forward(images), labels))
 * const products = await hvp(loss, parameters, vector) // a fused kernel has no second derivative
 * @throws `ERR_INVALID_ARGUMENT` for another name, or none at all. Where none of them fits, the operator throws `ERR_TORCH`
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
