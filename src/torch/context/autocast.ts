import { expectObject, SosError, shown } from '../../base/index.js'
import { currentContext, runIn } from './context.js'

/** Each device has two bits of the modes, from bit 3 on: the place of its dtype in `dtypes` (native/core/context/modes.h). */
const devices: readonly AutocastDevice[] = ['cpu', 'cuda', 'mps', 'xpu']
const dtypes = [null, 'float16', 'bfloat16'] as const
const UNCACHED = 4

/** A kind of device for which autocast exists. */
export type AutocastDevice = 'cpu' | 'cuda' | 'mps' | 'xpu'
/** A dtype to which autocast casts. */
export type AutocastDType = 'float16' | 'bfloat16'

/** Options of `torch.autocast`. */
export interface AutocastOptions {
  /** The kind of device whose operators are cast. */
  device: AutocastDevice
  /** The dtype to which they are cast. Default: bfloat16 on the CPU, float16 on other devices. */
  dtype?: AutocastDType
  /** Whether the operators are cast. With false they are not, also inside another `autocast`. Default: true. */
  enabled?: boolean
  /** Whether a weight that one call uses several times is cast only once. Default: true. */
  cacheEnabled?: boolean
}

/**
 * Runs a function in mixed precision, also the TorchScript modules that it calls. As Python's `torch.autocast(device, dtype, …)`, except
 * that the cache of cast weights lasts for one call and not for the whole function.
 *
 * Operators that gain from it, such as `linear`, `matmul` and convolutions, run in `dtype`. Operators that need the range or the precision,
 * such as `softmax` and losses, run in float32. libtorch's own lists decide which operators belong to which group.
 *
 * @param options the device, the dtype, and whether casting is on
 * @param body a synchronous or asynchronous function; the setting holds in it across every `await`
 * @returns what `body` returns
 * @throws `ERR_INVALID_ARGUMENT` for another kind of device, `ERR_DTYPE` for another dtype
 * @example
 * const logits = await torch.autocast({ device: 'cpu', dtype: 'bfloat16' }, () => model.forward(images))
 * console.log(logits.dtype)
 * // → bfloat16
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

/**
 * Whether operators of a kind of device are cast here. As Python's `torch.is_autocast_enabled(device)`.
 *
 * @param device the kind of device
 * @returns true inside of an `autocast` for it
 * @throws `ERR_INVALID_ARGUMENT` for another kind of device
 */
export function isAutocastEnabled(device: AutocastDevice): boolean {
  return codeOf(device) !== 0
}

/**
 * The dtype to which operators of a kind of device are cast here. As Python's `torch.get_autocast_dtype(device)`.
 *
 * @param device the kind of device
 * @returns the dtype; outside of any `autocast`, the one that `autocast({ device })` would use
 * @throws `ERR_INVALID_ARGUMENT` for another kind of device
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
