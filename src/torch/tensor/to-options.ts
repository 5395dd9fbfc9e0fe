import { SosError } from '../../base/index.js'
import { type Device, type DType, isDType, type MemoryFormat } from './dtype.js'

/** What `tensor.to` changes, under the schema's own names. */
export interface ToOptions {
  device?: Device
  dtype?: DType
  /** Lets a copy between a device and pinned memory run while the program goes on. Default: false. */
  non_blocking?: boolean
  /** Copies even where nothing changes. Default: false. */
  copy?: boolean
  /** Default: preserve_format. */
  memory_format?: MemoryFormat
}

/** Where another tensor is, and what it is of. */
interface Like {
  readonly device: Device
  readonly dtype: DType
}

const names = ['device', 'dtype', 'non_blocking', 'copy', 'memory_format']

/** The arguments of `tensor.to` in one: a dtype, a device, a device and a dtype, a tensor, and options after any of them. */
export function toOptions(
  first: string | Like | ToOptions,
  rest: readonly (string | ToOptions | undefined)[],
  isTensor: (value: unknown) => boolean,
): ToOptions {
  const options: Record<string, unknown> = {}
  if (isTensor(first)) {
    const { device, dtype } = first as Like
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
