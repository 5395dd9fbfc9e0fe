import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** V8's collector, which the addon calls when tensors that V8 takes for small objects fill the memory. */
export function collector(): (full: boolean) => void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void
  return (full) => gc({ type: full ? 'major' : 'minor' })
}
