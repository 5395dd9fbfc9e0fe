import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * A process that answers messages: each message and each answer is one line of JSON. Its first line says that it is ready. Its
 * stderr is ours.
 */
export class Child {
  #process
  #name
  #waiting = []
  #ended

  /** @returns the child and what it said when it was ready */
  static async start(name, command, args, env) {
    const child = new Child(name, command, args, env)
    return { child, ready: await child.#next() }
  }

  constructor(name, command, args, env) {
    this.#name = name
    this.#process = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    })
    this.#process.stdin.on('error', () => {}) // its end is reported below
    createInterface({ input: this.#process.stdout }).on('line', (line) => this.#settle(line))
    this.#process.on('error', (error) => this.#fail(`does not start: ${error.message}`))
    this.#process.on('close', (code, signal) => this.#fail(`ended early (${signal ?? `exit code ${code}`})`))
  }

  request(message) {
    this.#process.stdin.write(`${JSON.stringify(message)}\n`)
    return this.#next()
  }

  /** Waits for the process to end, or ends it if it is still at work. */
  async stop() {
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
    if (this.#ended === undefined) await new Promise((resolve) => this.#process.once('close', resolve))
    clearTimeout(timer)
  }

  #next() {
    if (this.#ended !== undefined) return Promise.reject(new Error(this.#ended))
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  #settle(line) {
    const { resolve, reject } = this.#waiting.shift()
    const { error, ...answer } = JSON.parse(line)
    if (error === undefined) resolve(answer)
    else reject(new Error(`${this.#name}: ${error}`))
  }

  #fail(reason) {
    this.#ended ??= `${this.#name} ${reason}`
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(this.#ended))
  }
}
