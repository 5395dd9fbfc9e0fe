/** Plugins for Stryker: one takes a sample of its mutants and reports on it, one leaves mutants out. */
import { relative } from 'node:path'

import { commonTokens, declareClassPlugin, declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

/** Takes a random sample of the mutants that a test can run, and prints its score. */
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

  /** Printed at once, since a run may take hours. */
  onMutantTested({ id, fileName, location, mutatorName, replacement, status, statusReason }) {
    if (!this.#taken.has(id)) return
    const { line, column } = location.start
    const place = `${relative(process.cwd(), fileName)}:${line}:${column}`
    if (status === 'RuntimeError' || status === 'CompileError') {
      console.log(`did not run: ${place}: ${statusReason?.split('\n')[0]}`)
    }
    if (status !== 'Survived' && status !== 'NoCoverage') return
    const shown = (replacement ?? '').replace(/\s+/g, ' ').slice(0, 100)
    console.log(`survived: ${place} ${mutatorName}${status === 'NoCoverage' ? ', in no test' : ''}: ${shown}`)
  }

  onMutationTestReportReady({ files }) {
    const { seed, folder } = this.#options
    const mutants = Object.values(files).flatMap((file) => file.mutants)
    const count = (...statuses) => mutants.filter(({ status }) => statuses.includes(status)).length
    const ran = mutants.filter(({ status }) => status !== 'Ignored')
    if (ran.length !== this.#taken.size || ran.some(({ id }) => !this.#taken.has(id))) {
      throw new Error(
        `expected results of the ${this.#taken.size} mutants of the sample but there are ${ran.length}`,
      )
    }
    const killed = count('Killed', 'Timeout')
    const all = killed + count('Survived', 'NoCoverage')
    console.log(
      `${folder}: ${((100 * killed) / all).toFixed(1)} % killed, ${killed} of ${all} mutants (${count('Timeout')} by their time), a sample of ${this.#found} with seed ${seed}`,
    )
  }
}

const left = { status: 'Ignored', statusReason: 'not in the sample' }

/** Leaves out changes of texts in errors and warnings. Codes are not left out, since tests check them. */
const wordsOfErrors = {
  shouldIgnore({ node, parent, parentPath }) {
    const { callee, type } = parent ?? {}
    const isText =
      node.type === 'TemplateLiteral' || (node.type === 'StringLiteral' && !/^ERR_/.test(node.value))
    if (!isText || (type !== 'NewExpression' && type !== 'CallExpression') || callee === node)
      return undefined
    const thrown = parentPath?.parent?.type === 'ThrowStatement'
    const isError = type === 'NewExpression' && /Error$/.test(callee.name ?? '')
    return thrown || isError || callee.property?.name === 'emitWarning' ? 'the words of an error' : undefined
  },
}

/** The numbers from 0 to `size` - 1 in a random order that the seed determines (Fisher and Yates, with the generator mulberry32). */
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
