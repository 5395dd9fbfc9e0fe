import { SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'

/** Properties that read and write libtorch's switches, each by its name in Python. */
function switches<Name extends string>(names: Readonly<Record<Name, string>>): Record<Name, boolean> {
  const object = {} as Record<Name, boolean>
  for (const [property, name] of Object.entries<string>(names)) {
    Object.defineProperty(object, property, {
      get: () => binding.getSwitch(name),
      set: (on: unknown) => {
        if (typeof on !== 'boolean') {
          throw new SosError('ERR_INVALID_ARGUMENT', `expected true or false for ${name} but received ${on}`)
        }
        binding.setSwitch(name, on)
      },
      enumerable: true,
    })
  }
  return object
}

/**
 * Switches of libtorch's backends, for the whole process; properties as in Python's `torch.backends`:
 *
 * - `cuda.matmul.allowTF32` (default: false), `cudnn.allowTF32` (true): whether float32 may be computed in TF32 on NVIDIA's
 *   tensor cores, faster and with 10 bits of mantissa
 * - `cudnn.benchmark` (false): tries cuDNN's algorithms for each new shape and takes the fastest
 * - `cudnn.deterministic`, `mkldnn.deterministic` (false): only algorithms that give the same bits at every run
 * - `cudnn.enabled`, `mkldnn.enabled` (true): whether the library is used at all
 * - `cuda.flashSDP`, `cuda.memEfficientSDP`, `cuda.cudnnSDP`, `cuda.mathSDP` (true): which kernels `scaled_dot_product_attention` may
 *   take; the name is Python's, and the first and the last are the CPU's too. `sdpaKernel` chooses for a part of a program.
 */
export const backends = Object.freeze({
  cuda: Object.seal(
    Object.assign(
      switches({
        flashSDP: 'backends.cuda.flash_sdp',
        memEfficientSDP: 'backends.cuda.mem_efficient_sdp',
        cudnnSDP: 'backends.cuda.cudnn_sdp',
        mathSDP: 'backends.cuda.math_sdp',
      }),
      { matmul: Object.seal(switches({ allowTF32: 'backends.cuda.matmul.allow_tf32' })) },
    ),
  ),
  cudnn: Object.seal(
    switches({
      enabled: 'backends.cudnn.enabled',
      allowTF32: 'backends.cudnn.allow_tf32',
      benchmark: 'backends.cudnn.benchmark',
      deterministic: 'backends.cudnn.deterministic',
    }),
  ),
  mkldnn: Object.seal(
    switches({
      enabled: 'backends.mkldnn.enabled',
      deterministic: 'backends.mkldnn.deterministic',
    }),
  ),
})

const precisions: readonly MatmulPrecision[] = ['highest', 'high', 'medium']

/** How float32 matrices may be multiplied: in float32, in TF32 or three bfloat16, in bfloat16. */
export type MatmulPrecision = 'highest' | 'high' | 'medium'

/** As Python's `torch.get_float32_matmul_precision()`. */
export function getFloat32MatmulPrecision(): MatmulPrecision {
  return binding.getFloat32MatmulPrecision() as MatmulPrecision
}

/**
 * Lets float32 matrices be multiplied faster at lower precision, on the backends that can, in the whole process. As
 * Python's `torch.set_float32_matmul_precision(precision)`. Default: 'highest'.
 */
export function setFloat32MatmulPrecision(precision: MatmulPrecision): void {
  if (!precisions.includes(precision)) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected one of ${precisions.join(', ')} as the precision but received ${precision}`,
    )
  }
  binding.setFloat32MatmulPrecision(precision)
}

/**
 * Makes operators give the same result at every run, in the whole process: those with a deterministic implementation take
 * it, the others fail with `ERR_TORCH`, or with `warnOnly` warn on stderr. Memory of `torch.empty` is filled too. As Python's
 * `torch.use_deterministic_algorithms(mode, warn_only=…)`.
 */
export function useDeterministicAlgorithms(mode: boolean, options: { warnOnly?: boolean } = {}): void {
  binding.setDeterminism(mode, options.warnOnly ?? false)
}

/** As Python's `torch.are_deterministic_algorithms_enabled()`. */
export function areDeterministicAlgorithmsEnabled(): boolean {
  return binding.getDeterminism()[0]
}

/** As Python's `torch.is_deterministic_algorithms_warn_only_enabled()`. */
export function isDeterministicAlgorithmsWarnOnlyEnabled(): boolean {
  return binding.getDeterminism()[1]
}
