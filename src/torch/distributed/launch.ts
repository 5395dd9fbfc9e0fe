import { SosError } from '../../base/index.js'

/** How `torchrun` started a process. */
export interface Launch {
  rank: number
  size: number
  localRank: number
  /** Where the store is by which the processes find one another. */
  host: string
  port: number
  /** Whether this process is to serve it. */
  serves: boolean
  /** How often the run was started again. */
  attempt: number
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the variables that `torchrun` sets, as Python's `env://`.
 *
 * @throws `ERR_ENVIRONMENT` for one that is missing or wrong
 */
export function launchOf(environment: Environment): Launch {
  const missing = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'].filter(
    (name) => !environment[name],
  )
  if (missing.length > 0) {
    throw new SosError(
      'ERR_ENVIRONMENT',
      `expected ${missing.join(', ')} in the environment of a process of a group but found nothing; start it by \`torchrun --no-python --nproc-per-node N COMMAND\`, which sets them`,
    )
  }
  const size = whole(environment, 'WORLD_SIZE', 1)
  const rank = whole(environment, 'RANK', 0, size - 1)
  return {
    rank,
    size,
    localRank: whole(environment, 'LOCAL_RANK', 0, size - 1),
    host: environment.MASTER_ADDR!,
    port: whole(environment, 'MASTER_PORT', 1, 65_535),
    // The agent, torchrun itself, serves the store for as long as it starts workers again.
    serves: rank === 0 && environment.TORCHELASTIC_USE_AGENT_STORE !== 'True',
    attempt: environment.TORCHELASTIC_RESTART_COUNT ? whole(environment, 'TORCHELASTIC_RESTART_COUNT', 0) : 0,
  }
}

function whole(environment: Environment, name: string, least: number, most = 2 ** 31 - 1): number {
  const text = environment[name]!
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw new SosError(
    'ERR_ENVIRONMENT',
    `expected a whole number from ${least} to ${most} in ${name} but found ${JSON.stringify(text)}; torchrun sets it, with RANK below WORLD_SIZE`,
  )
}
