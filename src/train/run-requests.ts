import type { Parallel } from './parallel.js'

/** What a run was asked to do after the step at work. */
export interface Asked {
  readonly end: boolean
  readonly checkpoint: boolean
}

/** The requests to a run, from listeners and from its abort signal. */
export class RunRequests {
  #end = false
  #checkpoint = false

  stop(): void {
    this.#end = true
  }

  checkpoint(): void {
    this.#checkpoint = true
  }

  /** Asks every process, and gives what any of them was asked to do: so all of them do it after the same step. */
  async agree(parallel: Parallel, signal?: AbortSignal): Promise<Asked> {
    const end = this.#end || signal?.aborted === true
    const asked = await parallel.sum([end ? 1 : 0, this.#checkpoint ? 1 : 0])
    this.#checkpoint = false
    return { end: asked[0]! > 0, checkpoint: asked[1]! > 0 }
  }
}
