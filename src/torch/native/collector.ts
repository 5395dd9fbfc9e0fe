import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** V8's garbage collector. The addon calls it when tensors fill the memory, since V8 takes them for small objects. */
export function collector(): (full: boolean) => void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void
  return (full) => gc({ type: full ? 'major' : 'minor' })
}
