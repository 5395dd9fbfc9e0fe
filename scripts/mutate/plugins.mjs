/** What Stryker lets others add: a sample of its mutants with a report of it, and mutants that are left out. */
import { commonTokens, declareClassPlugin, declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

/** Takes a random sample of the mutants that a test could run, and prints the score of it. */
class SampleReporter {
  static inject = [commonTokens.options]
  #options
  #found = 0
  #taken = new Set()

  constructor({ sample }) {
    this.#options = sample
  }

  onMutationTestingPlanReady({ mutantPlans }) {
    const { size, seed } = this.#options
    const plans = mutantPlans.filter(({ plan }) => plan === 'Run')
    const order = shuffled(plans.length, seed)
    const taken = new Set(size === null ? order : order.slice(0, size))
    this.#found = plans.length
    for (const [i, plan] of plans.entries()) {
      if (taken.has(i)) this.#taken.add(plan.mutant.id)
      else Object.assign(plan, { plan: 'EarlyResult', mutant: { ...plan.mutant, ...left } })
    }
  }

  onMutationTestReportReady({ files }) {
    const { seed, folder } = this.#options
    const mutants = Object.entries(files).flatMap(([file, { mutants }]) =>
      mutants.map((one) => ({ file, ...one })),
    )
    const of = (...statuses) => mutants.filter(({ status }) => statuses.includes(status))
    const killed = of('Killed', 'Timeout')
    const survived = of('Survived', 'NoCoverage')
    const ran = mutants.filter(({ status }) => status !== 'Ignored')
    if (ran.length !== this.#taken.size || ran.some(({ id }) => !this.#taken.has(id))) {
      throw new Error(
        `expected results of the ${this.#taken.size} mutants of the sample but there are ${ran.length}`,
      )
    }
    for (const { file, location, mutatorName, replacement, status } of survived) {
      const { line, column } = location.start
      const shown = (replacement ?? '').replace(/\s+/g, ' ').slice(0, 100)
      const covered = status === 'NoCoverage' ? ', in no test' : ''
      console.log(`survived: ${file}:${line}:${column} ${mutatorName}${covered}: ${shown}`)
    }
    for (const { file, location, statusReason } of of('RuntimeError', 'CompileError')) {
      console.log(`did not run: ${file}:${location.start.line}: ${statusReason?.split('\n')[0]}`)
    }
    const share = (100 * killed.length) / (killed.length + survived.length)
    console.log(
      `${folder}: ${share.toFixed(1)} % killed, ${killed.length} of ${killed.length + survived.length} mutants (${of('Timeout').length} by their time), a sample of ${this.#found} with seed ${seed}`,
    )
  }
}

const left = { status: 'Ignored', statusReason: 'not in the sample' }

/** The message of a `new SosError(code, message)` or `process.emitWarning(message)`: tests go by codes. */
const wordsOfErrors = {
  shouldIgnore({ node, key, parent }) {
    const callee = parent?.callee
    const isMessage =
      (parent?.type === 'NewExpression' && callee?.name === 'SosError' && node === parent.arguments[1]) ||
      (parent?.type === 'CallExpression' &&
        callee?.property?.name === 'emitWarning' &&
        node === parent.arguments[0])
    return isMessage && key !== undefined ? 'the words of an error' : undefined
  },
}

/** 0 to `size` - 1 in an order that the seed draws (Fisher and Yates, by the generator mulberry32). */
function shuffled(size, seed) {
  let state = seed >>> 0
  const random = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const order = Array.from({ length: size }, (_, i) => i)
  for (let i = size - 1; i > 0; i--) {
    const at = Math.floor(random() * (i + 1))
    ;[order[i], order[at]] = [order[at], order[i]]
  }
  return order
}

export const strykerPlugins = [
  declareClassPlugin(PluginKind.Reporter, 'sample', SampleReporter),
  declareValuePlugin(PluginKind.Ignore, 'words-of-errors', wordsOfErrors),
]
