import { count, figure, percent, signedFigure } from '../numbers.js'
import type { ModelSharpness, SharpnessRecord, TraceDifference, TraceResult } from './record.js'
import { matrixOf, type Series, seriesOf } from './series.js'

/**
 * Says in sentences what a record of sharpness shows, and no more than its errors allow.
 *
 * @param record what `sos sharpness --json` printed, parsed
 * @returns plain sentences, the most important first
 * @example
 * const model = 'a.pt'
 * const trace = { value: 5, standardError: 1, probeStandardError: 0, samples: 64, sampling: 'uniform', probes: 'exact', method: 'by image' } as const
 * const record = { model, trace, withoutGradient: [], dataset: 'x', operator: 'hessian', size: 9, samples: 64, seed: 0 } as const
 * console.log(sharpnessFindings({ ...record, withoutGradient: [] })[0]) // → tr(H) of a.pt is 5 ± 1 over the images, from 64 images.
 */
export function sharpnessFindings(record: SharpnessRecord): string[] {
  const series = seriesOf(record)
  const { symbol } = matrixOf(record)
  return [
    record.difference?.trace === undefined
      ? unpaired(series, symbol)
      : changeOfTrace(record.difference.trace, series, symbol),
    ...series.map((one) => traceOf(one, symbol)),
    ...risesOf(record, series),
    largest(series, record),
    ...series.map(converged),
    ...series.map((one) => shareOfTop(one, symbol)),
    ...series.map((one) => spread(one, record)),
  ].filter((sentence) => sentence !== null)
}

/** Says that a difference is left out, if both traces are there. */
function unpaired([first, second]: readonly Series[], symbol: string): string | null {
  if (first?.of.trace === undefined || second?.of.trace === undefined) return null
  return `The difference of tr(${symbol}) is left out: the two traces were measured in different ways (${first.of.trace.method}; ${second.of.trace.method}), so that nothing is paired.`
}

/** What is known of a trace, in words: both errors, or the one that the method knows. */
function withErrors(
  { value, standardError, probeStandardError }: Errors,
  text = figure,
  randoms = 'probes',
): string {
  const known = standardError === null ? '' : ` ± ${figure(standardError)} over the images`
  const probes =
    probeStandardError === 0 || probeStandardError === null
      ? ''
      : `${known === '' ? ' ' : ', '}± ${figure(probeStandardError)} over the ${randoms}`
  return `${text(value)}${known}${probes}`
}

type Errors = Pick<TraceResult, 'value' | 'standardError' | 'probeStandardError'>

function traceOf({ name, of: { trace } }: Series, symbol: string): string | null {
  if (trace === undefined) return null
  const { samples, sampling, effectiveSamples, oneByOne, parts } = trace
  const drawn =
    sampling === 'uniform' || effectiveSamples === undefined
      ? `from ${count(samples, 'image')}`
      : `from ${count(samples, 'image')} that were drawn by confidence, which tell as much as ${figure(effectiveSamples)} drawn uniformly`
  const rest =
    parts === undefined
      ? ''
      : ` The network is not piecewise linear: ${withErrors(parts.gaussNewton)} are of the Gauss-Newton part, and ${figure(parts.rest.value)} ± ${figure(parts.rest.probeStandardError)} over the probes of the rest.`
  const slowly = oneByOne === undefined ? '' : ` The images were taken one at a time: ${oneByOne}.`
  return `tr(${symbol}) of ${name} is ${withErrors(trace)}, ${drawn}.${rest}${slowly}`
}

function changeOfTrace(difference: TraceDifference, series: readonly Series[], symbol: string): string {
  const { value, standardError, parts } = difference
  const [first, second] = series as [Series, Series]
  const what = `tr(${symbol}) of ${second.name} less that of ${first.name} is ${withErrors(difference, signedFigure)}`
  if (parts !== undefined) {
    const { gaussNewton, rest } = parts
    const known = Math.hypot(
      gaussNewton.standardError ?? gaussNewton.probeStandardError ?? 0,
      rest.probeStandardError,
    )
    const of = `Of it, ${withErrors(gaussNewton, signedFigure)} are of the Gauss-Newton part, and ${signedFigure(rest.value)} ± ${figure(rest.probeStandardError)} over the probes of the rest, whose error over the images is not known.`
    return `${what}: ${verdict({ value, standardError: known, probeStandardError: known })}. ${of}`
  }
  const alone =
    standardError === null
      ? ' This holds for these images alone: the method does not know the error over the images.'
      : ''
  return `${what}: ${verdict(difference)}.${alone}`
}

/** How much the loss rises near the weights of each model, and the differences. */
function risesOf({ difference }: SharpnessRecord, series: readonly Series[]): (string | null)[] {
  return (['worstCase', 'average'] as const).flatMap((which) => {
    const own = series.map(({ name, of }) => {
      const found = of[which]
      if (found === undefined) return null
      const { value, standardError, loss, rho, adaptive } = found
      const ball = `${adaptive ? 'relative ' : ''}radius ${figure(rho)}`
      const probes = 'probeStandardError' in found ? found.probeStandardError : 0
      const rise = withErrors({ value, standardError, probeStandardError: probes }, figure, 'directions')
      return which === 'worstCase'
        ? `Within a ${ball} of ${name} the loss rises from ${figure(loss)} by ${rise} or more: gradient ascent finds a lower bound.`
        : `In random directions of a ${ball} the loss of ${name} changes by ${rise} on average, from ${figure(loss)}.`
    })
    const change = difference?.[which]
    if (change === undefined) return own
    const [first, second] = series as [Series, Series]
    const probes = 'probeStandardError' in change ? change.probeStandardError : 0
    const errors = { ...change, probeStandardError: probes }
    const what = `The rise ${which === 'worstCase' ? 'in the worst direction found' : 'in random directions'} of ${second.name} less that of ${first.name} is ${withErrors(errors, signedFigure, 'directions')}`
    return [...own, `${what}: ${verdict(errors)}.`]
  })
}

/** Whether a difference says anything. */
function verdict({ value, standardError, probeStandardError }: Errors): string {
  const error = standardError ?? probeStandardError
  if (error === null) return 'nothing can be said, since no error of it is known'
  if (error === 0 && value === 0) return 'there is no difference'
  if (Math.abs(value) < 2 * error)
    return 'nothing can be said, since this is less than twice the standard error'
  return `it is ${value < 0 ? 'smaller' : 'larger'} by more than twice the standard error`
}

/** λ₁ of each model, and its change. */
function largest(series: readonly Series[], { samples }: SharpnessRecord): string | null {
  const values = series.flatMap(({ name, of: { eigenvalues } }) =>
    eigenvalues === undefined ? [] : [{ name, value: Math.max(...eigenvalues.map(({ value }) => value)) }],
  )
  const [first, second] = values
  if (first === undefined) return null
  const where = `on these ${count(samples, 'image')}; its error over the images is not known`
  if (second === undefined)
    return `The largest eigenvalue, λ₁, of ${first.name} is ${figure(first.value)} ${where}.`
  const change = (100 * (second.value - first.value)) / first.value
  const inPercent = first.value > 0 ? ` (${change > 0 ? '+' : ''}${percent(change)})` : ''
  return `The largest eigenvalue, λ₁, is ${figure(first.value)} for ${first.name} and ${figure(second.value)} for ${second.name}${inPercent} ${where}.`
}

function converged({ name, of: { eigenvalues, products, floor } }: Series): string | null {
  if (eigenvalues === undefined) return null
  const done = eigenvalues.filter((one) => one.converged).length
  const took = products === undefined ? '' : `, after ${count(products, 'product')}`
  const all = `${done} of ${count(eigenvalues.length, 'eigenvalue')} of ${name} have converged${took}.`
  if (done === eigenvalues.length) return all
  const residuals = eigenvalues.filter((one) => !one.converged).map(({ residual }) => residual)
  const most = Math.max(...residuals)
  const why =
    floor !== undefined && most <= 10 * floor
      ? ` Their residuals, up to ${figure(most)}, are near the rounding of the dtype, ${figure(floor)}, so that more products would not help.`
      : ` Each of the others is known up to its residual, which is at most ${figure(most)}.`
  return `${all}${why}`
}

/** Which part of the trace the eigenvalues are. */
function shareOfTop({ name, of }: Series, symbol: string): string | null {
  const { eigenvalues, trace } = of as ModelSharpness
  if (eigenvalues === undefined || trace === undefined || !(trace.value > 0)) return null
  const sum = eigenvalues.reduce((total, { value }) => total + value, 0)
  return `The ${count(eigenvalues.length, 'largest eigenvalue', 'largest eigenvalues')} of ${name} add up to ${figure(sum)}, ${percent((100 * sum) / trace.value, 1)} of tr(${symbol}).`
}

/** Where most of the spectrum lies. */
function spread({ name, of: { density } }: Series, { size }: SharpnessRecord): string | null {
  if (density === undefined) return null
  const { nodes, weights, outliers } = density
  const top = Math.max(...nodes.map(Math.abs), ...outliers.map(({ value }) => Math.abs(value)))
  const mass = (isIn: (value: number) => boolean) =>
    nodes.reduce((sum, node, i) => sum + (isIn(node) ? weights[i]! : 0), 0) +
    outliers.filter(({ value }) => isIn(value)).length / size
  const near = mass((value) => Math.abs(value) <= top / 1000)
  const below = mass((value) => value < -top / 1000)
  return `Of the eigenvalues of ${name}, ${percent(100 * near, 1)} lie between ${figure(-top / 1000)} and ${figure(top / 1000)}, a thousandth of the largest magnitude; ${percent(100 * below, 1)} lie below that.`
}
