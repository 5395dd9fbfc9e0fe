import { type Html, html } from '../html.js'
import { htmlTable, page } from '../page.js'
import { draughtsman } from '../svg.js'
import type { Table } from '../table.js'
import { densityFigure } from './density-figure.js'
import { eigenvalueFigure } from './eigenvalue-figure.js'
import { sharpnessFindings } from './findings.js'
import { layerFigures } from './layer-figures.js'
import type { SharpnessRecord } from './record.js'
import { matrixOf, seriesOf } from './series.js'
import { eigenvalueTable, layerTable, riseTable, traceTable } from './tables.js'

/**
 * Makes one HTML page of a record of sharpness: findings in sentences, tables, and figures as SVG. The page needs no other file and no network.
 *
 * @param record what `sos sharpness --json` printed, parsed
 * @returns the markup
 * @example
 * const eigenvalues = [{ value: 2, residual: 0.001, converged: true }]
 * const record = { model: 'a.pt', withoutGradient: [], dataset: 'x', operator: 'hessian' as const, size: 9, samples: 64, seed: 0 }
 * const markup = await sharpnessPage({ ...record, eigenvalues })
 * console.log(markup.slice(0, 15)) // → <!doctype html>
 */
export async function sharpnessPage(record: SharpnessRecord): Promise<string> {
  const hand = await draughtsman()
  const series = seriesOf(record)
  const { name, symbol } = matrixOf(record)
  const figures = [
    eigenvalueFigure(record, hand),
    densityFigure(record, hand),
    ...layerFigures(record, hand),
  ].filter((figure) => figure !== null)
  const main = html`${section('The trace', traceTable(record))}
${section('Near the weights', riseTable(record))}
${figures.length === 0 ? '' : html`<h2>Figures</h2>\n<div class="figures">${figures}</div>`}
${folded('Every layer', layerTable(record))}
${folded('Every eigenvalue', eigenvalueTable(record))}
<h2>How to read this</h2>
<p>${symbol} is ${name} of the mean loss over the images, with BatchNorm in eval mode. Its trace is the sum of its eigenvalues and says how much the loss
grows on average if the weights move at random. λ₁ says how much it grows in the worst direction.</p>
<p>A trace has two errors. The error over the images says how much other images of the same kind would change it. The error over the random probes
says how well the estimate knows the trace for these images; the first error contains it. A few images carry a large part of the trace, so the first is usually the larger one.
An interval of two standard errors to each side holds the true value in about 95 of 100 cases.</p>
<p>The eigenvalues and the density are those of the loss on these images. Their error over the images is not measured.</p>`
  return page({
    title: `Sharpness of ${series.map((one) => one.name).join(' and ')}`,
    findings: sharpnessFindings(record),
    facts: [
      ...series.map(({ of }): [string, string] => ['model', of.model]),
      ['images', `${record.samples} of ${record.dataset}`],
      ['matrix', `${name}, ${record.size} × ${record.size}`],
      ['seed', String(record.seed)],
      ...series
        .filter(({ of }) => of.withoutGradient.length > 0)
        .map(({ name, of }): [string, string] => [`left out of ${name}`, of.withoutGradient.join(', ')]),
    ],
    main,
    footer: 'All numbers are in sharpness.json beside this page.',
  })
}

const section = (heading: string, shown: Table | null): Html | string =>
  shown === null ? '' : html`<h2>${heading}</h2>\n${htmlTable(shown)}`

/** A long table, which is shown on request. */
const folded = (heading: string, shown: Table | null): Html | string =>
  shown === null ? '' : html`<details>\n<summary>${heading}</summary>\n${htmlTable(shown)}</details>`
