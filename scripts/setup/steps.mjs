import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { endCommandsOnSignals } from './command.mjs'
import { withLock } from './lock.mjs'
import { expectWritable, explainUnwritable } from './paths.mjs'
import { refuseLacks } from './toolchain.mjs'

/**
 * A step is done if what it makes is present, and if its stamp is that of the last time. The stamp is a hash of everything that the
 * step uses.
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {(context: object) => boolean} applies
 * @property {(context: object) => boolean} isPresent
 * @property {(context: object) => string | undefined} stamp
 * @property {(context: object) => import('./toolchain.mjs').Lack[]} lacks what this machine lacks to perform the step now
 * @property {(context: object) => Promise<void>} run
 */

/**
 * Performs the steps that are not done, in their order. Only one process at a time does so.
 *
 * @param {Step[]} all
 * @param {() => object} createContext called again when another process may have changed things
 * @param {import('./toolchain.mjs').Lack | undefined} node what is wrong with this Node
 */
export async function completeSteps(all, createContext, node) {
  const context = createContext()
  const steps = all.filter((step) => step.applies(context))
  if (!node && isComplete(steps, context)) return
  endCommandsOnSignals()
  try {
    expectWritable(context.written)
    await withLock(context.locked, context.say, () => complete(steps, createContext(), node))
  } catch (error) {
    throw explainUnwritable(error)
  }
}

function isComplete(steps, context) {
  return steps.every((step) => isDone(step, context)) && isDeepStrictEqual(withFacts(context), context.state)
}

function isDone(step, context) {
  const done = context.state.stamps[step.name]
  return done !== undefined && step.isPresent(context) && done === step.stamp(context)
}

async function complete(steps, context, node) {
  if (!node && isComplete(steps, context)) return // another process did it while this one waited
  mkdirSync(context.temporary, { recursive: true })
  writeFileSync(context.log, '')
  try {
    const pending = steps.filter((step) => !isDone(step, context))
    const lacks = [node, ...pending.flatMap((step) => step.lacks(context))]
    refuseLacks(
      lacks.filter((lack) => lack !== undefined),
      context.command,
    )
    for (const step of steps) {
      if (!isDone(step, context)) await perform(step, context)
    }
    context.state = withFacts(context)
    context.save()
  } finally {
    rmSync(context.temporary, { recursive: true, force: true })
  }
}

/** The stamp is computed before the step, so that edits during the step count as changes. It is removed until the step has succeeded. */
async function perform(step, context) {
  const { stamps } = context.state
  const stamp = step.stamp(context)
  delete stamps[step.name]
  context.save()
  await step.run(context)
  stamps[step.name] = stamp
  context.save()
}

function withFacts(context) {
  return { ...context.libtorch(), addon: context.addonPath(context), stamps: context.state.stamps }
}
