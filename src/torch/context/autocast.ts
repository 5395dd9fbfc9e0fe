import { expectObject, SosError, shown } from '../../base/index.js'
import { currentContext, runIn } from './context.js'

/** Two bits for each device from bit 3 on: its place in `dtypes` (native/core/modes.h). */
const devices: readonly AutocastDevice[] = ['cpu', 'cuda', 'mps', 'xpu']
const dtypes = [null, 'float16', 'bfloat16'] as const
const UNCACHED = 4

/** A kind of device that autocast knows. */
export type AutocastDevice = 'cpu' | 'cuda' | 'mps' | 'xpu'
/** A dtype that autocast casts to. */
export type AutocastDType = 'float16' | 'bfloat16'

/** What {@link autocast} casts. */
export interface AutocastOptions {
  /** The kind of device whose operators are cast. */
  device: AutocastDevice
  /** Default: bfloat16 on the CPU, float16 elsewhere. */
  dtype?: AutocastDType
  /** With false the operators of `device` are not cast, also inside another `autocast`. Default: true. */
  enabled?: boolean
  /** Whether a weight is cast once in a call that uses it several times. Default: true. */
  cacheEnabled?: boolean
}

/**
 * Runs `body`, sync or async, in mixed precision: operators that gain by it, as `linear`, `matmul` and convolutions, run
 * in `dtype`; those that need the range or the precision, as `softmax` and losses, in float32. Which is which, is
 * libtorch's. It holds for TorchScript modules too, and across `await`. As Python's `torch.autocast(device, dtype, …)`,
 * save that the cache of cast weights lasts for one call, not for the whole body.
 *
 * @throws `ERR_INVALID_ARGUMENT` for another kind of device, `ERR_DTYPE` for another dtype
 */
export function autocast<T>(options: AutocastOptions, body: () => T): T {
  expectObject('options', options)
  const { device, enabled = true, cacheEnabled = true } = options
  const shift = shiftOf(device)
  const dtype = options.dtype ?? defaultDtype(device)
  const code = dtypes.indexOf(dtype)
  if (code < 1) {
    throw new SosError(
      'ERR_DTYPE',
      `expected float16 or bfloat16 as the dtype of autocast but received ${shown(dtype)}`,
    )
  }
  const others = currentContext().modes & ~((3 << shift) | UNCACHED)
  return runIn({ modes: others | ((enabled ? code : 0) << shift) | (cacheEnabled ? 0 : UNCACHED) }, body)
}

/** Whether operators of this kind of device are cast here. As Python's `torch.is_autocast_enabled(device)`. */
export function isAutocastEnabled(device: AutocastDevice): boolean {
  return codeOf(device) !== 0
}

/**
 * The dtype that operators of this kind of device are cast to here, or would be by `autocast({ device })` where they are
 * not. As Python's `torch.get_autocast_dtype(device)`.
 */
export function getAutocastDtype(device: AutocastDevice): AutocastDType {
  return dtypes[codeOf(device)] ?? defaultDtype(device)
}

function codeOf(device: AutocastDevice): number {
  return (currentContext().modes >> shiftOf(device)) & 3
}

function defaultDtype(device: AutocastDevice): AutocastDType {
  return device === 'cpu' ? 'bfloat16' : 'float16'
}

function shiftOf(device: AutocastDevice): number {
  const index = devices.indexOf(device)
  if (index >= 0) return 3 + 2 * index
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected one of ${devices.join(', ')} as the device of autocast but received ${shown(device)}`,
  )
}
