import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** What tells a process from all others, also from a later one with its number. */
export interface ProcessIdentity {
  /** The machine's name, and the space that its numbers of processes belong to, as a container's own. */
  readonly host: string
  readonly pid: number
  /** When it began, by the system's own count and not by a clock that may be set; null where the system does not tell. */
  readonly begun: string | null
}

export function ownIdentity(): ProcessIdentity {
  return { host: ownHost(), pid: process.pid, begun: beginOf(process.pid) }
}

/** Whether the process still runs; null where that cannot be known from here. */
export function isRunning({ host, pid, begun }: ProcessIdentity): boolean | null {
  if (host !== ownHost()) return null
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = beginOf(pid)
  return begun === null || now === null || begun === now
}

function ownHost(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname() // not Linux
  }
}

/** On Linux the boot and the ticks since it, and `ended` for one that its parent has not taken leave of. */
function beginOf(pid: number): string | null {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
    }
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ') // the name before may hold anything
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended'
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`
  } catch {
    return null
  }
}
