import { SosError } from '../../base/index.js'
import { type Device, type DType, isDType, type MemoryFormat } from './dtype.js'

/** Options of `tensor.to`, under the schema's own names. */
export interface ToOptions {
  /** The device to move to. Default: the tensor stays. */
  device?: Device
  /** The dtype to convert to. Default: no conversion. */
  dtype?: DType
  /** Whether a copy between a device and pinned memory may run while the program continues. Default: false. */
  non_blocking?: boolean
  /** Whether to copy even if nothing changes. Default: false. */
  copy?: boolean
  /** The order of the dimensions in memory. Default: `preserve_format`. */
  memory_format?: MemoryFormat
}

/** A tensor whose device and dtype another tensor gets. */
interface ModelTensor {
  readonly device: Device
  readonly dtype: DType
}

const names = ['device', 'dtype', 'non_blocking', 'copy', 'memory_format']

/** Combines the arguments of `tensor.to`: a dtype, a device, a device and a dtype, or a tensor, and options after any of them. */
export function toOptions(
  first: string | ModelTensor | ToOptions,
  rest: readonly (string | ToOptions | undefined)[],
  isTensor: (value: unknown) => boolean,
): ToOptions {
  const options: Record<string, unknown> = {}
  if (isTensor(first)) {
    const { device, dtype } = first as ModelTensor
    Object.assign(options, { device, dtype })
  } else if (typeof first === 'string') {
    options[isDType(first) ? 'dtype' : 'device'] = first
  } else if (typeof first === 'object' && first !== null) {
    Object.assign(options, first)
  } else {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected a dtype, a device, a tensor or options but received ${String(first)}`,
    )
  }
  for (const more of rest) Object.assign(options, typeof more === 'string' ? { dtype: more } : more)
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected the options ${names.join(', ')} but received '${name}'`,
    )
  }
  return options
}
