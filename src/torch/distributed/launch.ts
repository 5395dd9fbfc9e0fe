import { SosError } from '../../base/index.js'

/** How `torchrun` started a process. */
export interface Launch {
  /** The number of the process, from 0 to size − 1. */
  rank: number
  /** The number of processes. */
  size: number
  /** The number of the process among those of its machine. */
  localRank: number
  /** The address of the store through which the processes find each other. */
  host: string
  port: number
  /** Whether this process serves the store. */
  serves: boolean
  /** How often torchrun has restarted the processes. */
  attempt: number
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the environment variables that `torchrun` sets, as Python's `env://`.
 *
 * @throws `ERR_ENVIRONMENT` for a variable that is missing or wrong
 */
export function launchOf(environment: Environment): Launch {
  const missing = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'].filter(
    (name) => !environment[name],
  )
  if (missing.length > 0) {
    throw new SosError(
      'ERR_ENVIRONMENT',
      `expected ${missing.join(', ')} in the environment of a process of a group but the variables are not set; start the process with \`torchrun --no-python --nproc-per-node N COMMAND\`, which sets them`,
    )
  }
  const size = wholeNumberIn(environment, 'WORLD_SIZE', 1)
  const rank = wholeNumberIn(environment, 'RANK', 0, size - 1)
  return {
    rank,
    size,
    localRank: wholeNumberIn(environment, 'LOCAL_RANK', 0, size - 1),
    host: environment.MASTER_ADDR!,
    port: wholeNumberIn(environment, 'MASTER_PORT', 1, 65_535),
    // torchrun itself serves the store then, so that it outlives restarts of the workers.
    serves: rank === 0 && environment.TORCHELASTIC_USE_AGENT_STORE !== 'True',
    attempt: environment.TORCHELASTIC_RESTART_COUNT
      ? wholeNumberIn(environment, 'TORCHELASTIC_RESTART_COUNT', 0)
      : 0,
  }
}

function wholeNumberIn(environment: Environment, name: string, least: number, most = 2 ** 31 - 1): number {
  const text = environment[name]!
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new SosError(
    'ERR_ENVIRONMENT',
    `expected a whole number from ${least} to ${most} in the environment variable ${name} but found ${JSON.stringify(text)}; torchrun sets it, with RANK below WORLD_SIZE`,
  )
}
