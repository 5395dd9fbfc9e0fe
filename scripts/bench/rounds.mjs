import { compare, relativeDifference } from './statistics.mjs'

/** How far equal results may differ: float32 sums in another order differ by about 1e-6. */
const roundingTolerance = 1e-4

/**
 * Measures the cases of a benchmark on both sides. For each case it first checks that both sides give the same results. Then it
 * runs rounds in which each side gives one sample, one directly after the other; in every second round the other side is first.
 *
 * A case that fails, or whose results differ, is reported, and the next one runs. So is a case that this build leaves out.
 *
 * @returns a row for each case. Its figures are those of `benchmark.figures[case]` or `benchmark.figure`; default: milliseconds. A
 * case that failed has an `error` and no figures; one that was left out has the reason in `leftOut`.
 */
export async function compareCases(benchmark, context) {
  const sides = await context.startBoth()
  const rows = []
  for (const name of context.select(sides.cases)) {
    const reason = sides.leftOut[name]
    rows.push(
      reason === undefined
        ? await compareCase(name, sides, benchmark, context)
        : leaveOut(name, reason, benchmark, context),
    )
  }
  return rows
}

function leaveOut(name, reason, benchmark, context) {
  context.log(`${name} is left out: ${reason}`)
  return { case: name, unit: figureOf(name, benchmark).unit, leftOut: reason }
}

async function compareCase(name, sides, benchmark, context) {
  const figure = figureOf(name, benchmark)
  try {
    const difference = await checkResults(
      name,
      sides,
      benchmark.tolerances?.[name] ?? benchmark.tolerance ?? roundingTolerance,
    )
    const { seconds, cpuSeconds } = await sample(name, sides, context)
    const { reference, ours, ratio, ratioQuartiles } = compare(seconds)
    context.log(`${name}: ${ratio.toFixed(2)}`)
    return {
      case: name,
      unit: figure.unit,
      reference: figure.of(reference),
      ours: figure.of(ours),
      ratio,
      ratioQuartiles,
      rounds: context.rounds,
      relativeDifference: difference,
      target: benchmark.targets?.[name],
      ...(benchmark.showsCpu && { also: { 'ratio of CPU time': compare(cpuSeconds).ratio } }),
    }
  } catch (error) {
    context.log(`${name} failed: ${error.message}`)
    return { case: name, unit: figure.unit, error: error.message }
  }
}

const milliseconds = { unit: 'ms', of: (seconds) => seconds * 1e3 }

function figureOf(name, benchmark) {
  return benchmark.figures?.[name] ?? benchmark.figure ?? milliseconds
}

async function checkResults(name, { reference, ours }, tolerance) {
  const expected = (await reference.request({ result: name })).values
  const given = (await ours.request({ result: name })).values
  const difference = relativeDifference(expected, given)
  if (!(difference <= tolerance)) {
    throw new Error(
      `${name}: expected the reference's result within ${tolerance} but it is ${difference} off`,
    )
  }
  return difference
}

async function sample(name, sides, { rounds, sampleSeconds }) {
  const both = [
    { side: 'reference', child: sides.reference },
    { side: 'ours', child: sides.ours },
  ]
  for (const one of both) one.iterations = await warmUp(name, one.child, sampleSeconds)
  const seconds = { reference: [], ours: [] }
  const cpuSeconds = { reference: [], ours: [] }
  for (let round = 0; round < rounds; round++) {
    for (const { side, child, iterations } of round % 2 === 0 ? both : both.toReversed()) {
      const answer = await child.request({ case: name, iterations })
      seconds[side].push(answer.seconds / iterations)
      cpuSeconds[side].push(answer.cpuSeconds / iterations)
    }
  }
  return { seconds, cpuSeconds }
}

/**
 * Repeats calls with more and more iterations until one call lasts as long as a sample should, and then once more. Returns that
 * number of iterations.
 */
async function warmUp(name, child, sampleSeconds) {
  let iterations = 1
  for (;;) {
    const { seconds } = await child.request({ case: name, iterations })
    if (seconds >= sampleSeconds) break
    iterations = Math.ceil(iterations * Math.min(10, Math.max(1.5, (1.1 * sampleSeconds) / seconds)))
  }
  await child.request({ case: name, iterations })
  return iterations
}
