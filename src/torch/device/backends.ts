import { SosError } from '../../base/index.js'
import { binding } from '../native/binding.js'

/** An object whose properties read and write libtorch's switches. `names` gives the Python name of each. */
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
 * Switches of libtorch's backends, as Python's `torch.backends`. They hold for the whole process, and can be read and set:
 *
 * - `cuda.matmul.allowTF32` (default: false) and `cudnn.allowTF32` (default: true): whether float32 may be computed in TF32 on NVIDIA's
 *   tensor cores, which is faster and has 10 bits of mantissa
 * - `cudnn.benchmark` (default: false): whether cuDNN tries its algorithms for each new shape and takes the fastest
 * - `cudnn.deterministic` and `mkldnn.deterministic` (default: false): whether only algorithms are used that give the same bits at every run
 * - `cudnn.enabled` and `mkldnn.enabled` (default: true): whether the library is used at all
 * - `cuda.flashSDP`, `cuda.memEfficientSDP`, `cuda.cudnnSDP` and `cuda.mathSDP` (default: true): which kernels
 *   `scaled_dot_product_attention` may use. The names are Python's; the first and the last hold for the CPU too. `sdpaKernel` chooses for a
 *   part of a program.
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

/** How float32 matrices may be multiplied: `highest` in float32, `high` in TF32 or as three bfloat16, `medium` in bfloat16. */
export type MatmulPrecision = 'highest' | 'high' | 'medium'

/**
 * The precision in which float32 matrices may be multiplied. As Python's `torch.get_float32_matmul_precision()`.
 *
 * @returns the precision; `highest` unless it was set
 */
export function getFloat32MatmulPrecision(): MatmulPrecision {
  return binding.getFloat32MatmulPrecision() as MatmulPrecision
}

/**
 * Allows float32 matrices to be multiplied faster at a lower precision, on backends that can do so, in the whole process. As Python's
 * `torch.set_float32_matmul_precision(precision)`.
 *
 * @param precision the lowest precision that is allowed
 * @throws `ERR_INVALID_ARGUMENT` for another name
 * @example
 * torch.setFloat32MatmulPrecision('highest')
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
 * Makes operators give the same result at every run, in the whole process. Operators with a deterministic implementation use it; others
 * fail with `ERR_TORCH`. The memory of `torch.empty` is filled as well. As Python's `torch.use_deterministic_algorithms(mode, warn_only=…)`.
 *
 * @param mode whether results must be deterministic
 * @param options.warnOnly whether operators without a deterministic implementation warn on stderr and run. Default: false.
 * @example
 * torch.useDeterministicAlgorithms(true)
 * console.log(torch.areDeterministicAlgorithmsEnabled())
 * // → true
 * torch.useDeterministicAlgorithms(false)
 */
export function useDeterministicAlgorithms(mode: boolean, options: { warnOnly?: boolean } = {}): void {
  binding.setDeterminism(mode, options.warnOnly ?? false)
}

/**
 * Whether results must be deterministic. As Python's `torch.are_deterministic_algorithms_enabled()`.
 *
 * @returns what {@link useDeterministicAlgorithms} set
 */
export function areDeterministicAlgorithmsEnabled(): boolean {
  return binding.getDeterminism()[0]
}

/**
 * Whether operators without a deterministic implementation only warn. As Python's
 * `torch.is_deterministic_algorithms_warn_only_enabled()`.
 *
 * @returns what {@link useDeterministicAlgorithms} set
 */
export function isDeterministicAlgorithmsWarnOnlyEnabled(): boolean {
  return binding.getDeterminism()[1]
}
