import { SosError } from '../../base/index.js'
import type { PickleReader } from './pickle-reader.js'

/** The error for a pickle that does something that weights do not need. `why` continues "the pickle …". */
export function refusedPickle(reader: PickleReader, why: string): SosError {
  return new SosError(
    'ERR_UNSAFE_PICKLE',
    `${reader.name}: the pickle ${why}. Such files can run any program when Python loads them, so only weights are read; save them again with torch.save(model.state_dict(), FILE)`,
  )
}
