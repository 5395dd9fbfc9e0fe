import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Identifies a process, also among later processes with the same number. */
export interface ProcessIdentity {
  /** The name of the machine, and the namespace of its process numbers, since a container has its own. */
  readonly host: string
  /** The number of the process. */
  readonly pid: number
  /** When it began, by a count of the system and not by a clock, which may be changed; null if the system does not report it. */
  readonly begun: string | null
}

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  return { host: ownHost(), pid: process.pid, begun: beginOf(process.pid) }
}

/** Whether a process is still running; null if that cannot be found out from here. */
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

/**
 * When a process began. On Linux: the identity of the boot and the ticks since then, or `ended` for a process that has ended and whose parent has
 * not collected its status.
 */
function beginOf(pid: number): string | null {
  try {
    if (process.platform !== 'linux') {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || null
    }
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ') // the name before it may contain anything
    if (fields[0] === 'Z' || fields[0] === 'X') return 'ended'
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${fields[19]}`
  } catch {
    return null
  }
}
