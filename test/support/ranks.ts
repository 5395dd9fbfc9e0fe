import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { root } from './paths.js'
import { pythonPath } from './python.js'

/** How a process ended: what it printed as JSON, and what it wrote to standard error. */
export interface RankResult {
  code: number | null
  signal: string | null
  // biome-ignore lint/suspicious/noExplicitAny: each scenario prints its own document
  result: any
  stderr: string
  milliseconds: number
}

const script = `${root}/test/fixtures/rank.mjs`

/** Runs a scenario of test/fixtures/rank.mjs, or a program with its arguments, as a group of `size`, with torchrun's environment. */
export async function runRanks(
  scenario: string | readonly string[],
  size: number,
  environment: Record<string, string> = {},
): Promise<RankResult[]> {
  const port = await freePort()
  const start = (rank: number) =>
    run(process.execPath, programOf(scenario), {
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: String(size),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(port),
      OMP_NUM_THREADS: '1',
      ...environment,
    })
  return Promise.all(Array.from({ length: size }, (_, rank) => start(rank)))
}

/** The same under the real torchrun, on a port that it finds; `stdout` holds the lines of all ranks. */
export function torchrun(
  scenario: string | readonly string[],
  size: number,
  ...args: string[]
): Promise<RankResult & { stdout: string }> {
  const command = [
    ...[
      '-m',
      'torch.distributed.run',
      '--standalone',
      '--no-python',
      '--nproc-per-node',
      String(size),
      ...args,
    ],
    ...[process.execPath, ...programOf(scenario)],
  ]
  return run(pythonPath(), command, { OMP_NUM_THREADS: '1' })
}

/** A program in one process, as it runs without torchrun. */
export function runAlone(program: readonly string[]): Promise<RankResult> {
  return run(process.execPath, [...program], { OMP_NUM_THREADS: '1' })
}

const programOf = (scenario: string | readonly string[]): string[] =>
  typeof scenario === 'string' ? [script, scenario] : [...scenario]

function run(
  file: string,
  args: string[],
  environment: Record<string, string>,
): Promise<RankResult & { stdout: string }> {
  const begun = performance.now()
  return new Promise((resolve) => {
    const options = {
      env: { ...process.env, ...environment },
      maxBuffer: 2 ** 26,
      timeout: 90_000,
      killSignal: 'SIGKILL',
    } as const
    const child = execFile(file, args, options, (_, stdout, stderr) => {
      const line = stdout.split('\n').find((text) => text.startsWith('{'))
      const { exitCode: code, signalCode: signal } = child
      const result = line === undefined ? undefined : JSON.parse(line)
      resolve({ code, signal, result, stdout, stderr, milliseconds: performance.now() - begun })
    })
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
