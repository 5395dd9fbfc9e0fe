/** Collects what the checks find: each comparison with its error, and for failed comparisons both values. */
export class Findings {
  #sos
  #check = null
  /** `{ name, seconds, comparisons, figures, failures, leftOut? }` of each check, in their order. */
  checks = []

  constructor(sos) {
    this.#sos = sos
  }

  /** Runs one check. If it throws, that is its failure, and the next check runs. */
  async run(name, work) {
    const start = performance.now()
    this.#check = { name, seconds: 0, comparisons: 0, figures: {}, failures: [] }
    this.checks.push(this.#check)
    try {
      await work()
      if (this.#check.comparisons === 0 && !this.#check.leftOut)
        this.#fail('the check', 'no comparison', 'one at least')
    } catch (error) {
      this.#fail('the check', `${error.code ?? error.name}: ${error.message}`, 'no error')
    }
    this.#check.seconds = (performance.now() - start) / 1000
    return this.#check
  }

  /**
   * Compares tensors, numbers or lists of numbers: the largest difference, relative to the largest expected number, must not
   * exceed the tolerance.
   */
  close(what, given, expected, tolerance) {
    this.#check.comparisons++
    const [a, b] = [this.#numbers(given), this.#numbers(expected)]
    if (a.length !== b.length) return this.#fail(what, `${a.length} numbers`, `${b.length} numbers`)
    let [difference, scale, place] = [0, 0, 0]
    for (let i = 0; i < b.length; i++) {
      scale = Math.max(scale, Number.isFinite(b[i]) ? Math.abs(b[i]) : 0)
      const off = Object.is(a[i], b[i]) || a[i] === b[i] ? 0 : Math.abs(a[i] - b[i])
      if (!(off <= difference)) [difference, place] = [off, i]
      if (Number.isNaN(difference)) break
    }
    const error = difference / (scale || 1)
    this.largest(`error of ${what}`, error)
    if (!(error <= tolerance)) {
      this.#fail(what, a[place], b[place], `relative error ${error.toExponential(2)}, allowed ${tolerance}`)
    }
  }

  /** Compares what can be written as JSON. */
  same(what, given, expected) {
    this.#check.comparisons++
    const [a, b] = [given, expected].map((value) => JSON.stringify(value))
    if (a !== b) this.#fail(what, a, b)
  }

  /** Expects an error with one of these codes. */
  async refused(what, codes, work) {
    this.#check.comparisons++
    const end = await work().then(
      () => 'no error',
      ({ code, message }) => (codes.includes(code) ? null : `${code}: ${message}`),
    )
    if (end !== null) this.#fail(what, end, codes.join(' or '))
  }

  /** Notes a figure for the report; the largest one if the name occurs several times. */
  largest(name, value) {
    const { figures } = this.#check
    figures[name] = Math.max(figures[name] ?? value, value)
  }

  get failed() {
    return this.checks.filter(({ failures }) => failures.length > 0)
  }

  #fail(what, given, expected, note) {
    this.#check.failures.push({ what, given: text(given), expected: text(expected), ...(note && { note }) })
  }

  #numbers(value) {
    if (value instanceof this.#sos.Tensor) {
      const { scope, torch } = this.#sos
      return scope(() => {
        const plain = value.detach().to({ device: 'cpu' })
        const real = plain.dtype.startsWith('complex') ? torch.view_as_real(plain.resolve_conj()) : plain
        return real.to({ dtype: 'float64' }).reshape([-1]).toTypedArray()
      })
    }
    return typeof value === 'number' ? [value] : Array.from(value, Number)
  }
}

const text = (value) => (typeof value === 'string' ? value : String(value)).slice(0, 300)
