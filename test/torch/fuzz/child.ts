import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** How a job ended: the worker's answer, or how the worker died of it. */
export type Outcome = { answer: string } | { signal: string } | { hang: true }

/**
 * Gives jobs to a worker in a process of its own, one after another, so that a crash is seen and named. A worker that died or hung is
 * replaced.
 */
export class FuzzChild {
  #child: ChildProcess | undefined
  readonly #worker: string
  readonly #hangAfterMs: number
  readonly #execArgv: string[]
  /** What the workers wrote to standard error last. */
  stderr = ''

  constructor(worker: string, hangAfterMs = 20_000, execArgv: string[] = []) {
    this.#execArgv = execArgv
    this.#worker = worker
    this.#hangAfterMs = hangAfterMs
  }

  async run(job: object): Promise<Outcome> {
    const child = this.#child ?? (await this.#start())
    return new Promise((resolve) => {
      const finish = (outcome: Outcome): void => {
        clearTimeout(timer)
        child.off('message', onMessage).off('exit', onExit)
        if (!('answer' in outcome)) this.stop()
        resolve(outcome)
      }
      const onMessage = (answer: unknown): void => finish({ answer: String(answer) })
      const onExit = (code: number | null, signal: string | null): void =>
        finish({ signal: signal ?? `exit ${code}` })
      const timer = setTimeout(() => finish({ hang: true }), this.#hangAfterMs)
      child.on('message', onMessage).on('exit', onExit)
      child.send(job)
    })
  }

  stop(): void {
    this.#child?.kill('SIGKILL')
    this.#child = undefined
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(this.#worker, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: this.#execArgv,
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    })
    child.stderr!.on('data', (chunk) => {
      this.stderr = (this.stderr + chunk).slice(-2000)
    })
    this.#child = child
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error(`the worker does not start: ${this.stderr}`))),
    ])
    return child
  }
}
