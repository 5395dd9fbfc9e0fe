import { type Html, html } from '../html.js'
import { page } from '../page.js'
import { draughtsman } from '../svg.js'
import { contourFigure } from './contours.js'
import { type LandscapeDocument, type LossLineDocument, shortName, surfacesIn } from './document.js'
import { landscapeFindings, lossLineFindings } from './findings.js'
import { levelsOf } from './levels.js'
import { meshFigure } from './mesh.js'
import { lineFigures, sectionFigures } from './sections.js'

/** A map and a surface need at least this many points along each axis. */
const fewestPoints = 3

/**
 * Makes one HTML page of a landscape: findings in sentences, maps of the loss with levels that both models share,
 * surfaces, and the loss along both axes. The page needs no other file and no network.
 *
 * @param landscape the landscape, from `landscapeDocument`, or an old `landscape.json`, parsed
 * @returns the markup
 * @example
 * const found = await landscape(model, [], train, { grid: 5, samples: 4 })
 * const markup = await landscapePage(landscapeDocument(found, { models: ['a.pt'], dataset: train.name }))
 * console.log(markup.slice(0, 15)) // → <!doctype html>
 */
export async function landscapePage(landscape: LandscapeDocument): Promise<string> {
  const hand = await draughtsman()
  const surfaces = surfacesIn(landscape)
  const levels = levelsOf(surfaces)
  const drawn = landscape.x.length >= fewestPoints
  const ids = ['first', 'second']
  const maps = () =>
    surfaces.map((surface, i) => contourFigure(landscape, surface, levels, hand, `map-${ids[i]}`))
  const meshes = () =>
    surfaces.map((surface, i) => meshFigure(landscape, surface, levels, `surface-${ids[i]}`))
  const sections = drawn ? sectionFigures(landscape, hand) : null
  const main = html`${drawn ? section('The loss on the plane', maps()) : html`<p>A grid of ${landscape.x.length} points along each axis is too small for a figure.</p>`}
${drawn ? section('As surfaces', meshes()) : ''}
${sections === null ? '' : section('Through the centre', sections)}
<h2>How to read this</h2>
<p>A point (x, y) of the plane is the model with weights θ + xd₁ + yd₂. The directions d₁ and d₂ are random; ${scaling(landscape)}
(Li et al., “Visualizing the Loss Landscape of Neural Nets”, 2018).
${landscape.ignore === 'biasbn' ? 'Biases and the weights of norms do not move.' : 'Biases and the weights of norms move too.'}</p>
${
  surfaces.length > 1
    ? html`<p>Both models take exactly the same steps, with the norms of the first. By its own norms, a model with smaller weights would take smaller steps, and look
flatter for that reason alone.</p>`
    : ''
}
<p>The loss is the mean cross-entropy of ${landscape.samples} images in eval mode. It does not say how well these images represent the dataset.</p>`
  const { normalize, ignore, seed, samples, moved, dataset } = landscape
  return page({
    title: `Loss landscape of ${surfaces.map(({ model }) => shortName(model)).join(' and ')}`,
    findings: landscapeFindings(landscape),
    facts: [
      ...surfaces.map(({ model }, i) => [surfaces.length > 1 ? `${ids[i]} model` : 'model', model] as const),
      ['images', `${samples} of ${dataset}`],
      [
        'grid',
        `${landscape.x.length} × ${landscape.y.length} points, from ${landscape.x[0]} to ${landscape.x.at(-1)}`,
      ],
      ['directions', `seed ${seed}, normalised by ${normalize}, ignored: ${ignore}`],
      ['parameters that move', moved.toLocaleString('en')],
    ],
    main,
    footer: 'All numbers are in landscape.json beside this page.',
  })
}

/**
 * Makes one HTML page of the line between two models: findings in sentences, loss and accuracy. The page needs no other
 * file and no network.
 *
 * @param line the line, from `lossLineDocument`, or an old `landscape.json`, parsed
 * @returns the markup
 * @example
 * const found = await lossLine(model, model, train, { points: 5, samples: 4 })
 * const about = { models: ['a.pt', 'b.pt'], dataset: train.name } as const
 * console.log((await lossLinePage(lossLineDocument(found, about))).slice(0, 15)) // → <!doctype html>
 */
export async function lossLinePage(line: LossLineDocument): Promise<string> {
  const hand = await draughtsman()
  const { model, between, dataset, samples, seed, t } = line
  const main = html`${section('The line', lineFigures(line, hand))}
<h2>How to read this</h2>
<p>A point t of the line is the model with weights (1 − t)θ₁ + tθ₂. The statistics of BatchNorm go along the same line; beyond the ends they stay as they
are there. The loss is the mean cross-entropy of ${samples} images in eval mode.</p>`
  return page({
    title: `Loss between ${shortName(model)} and ${shortName(between)}`,
    findings: lossLineFindings(line),
    facts: [
      ['t = 0', model],
      ['t = 1', between],
      ['images', `${samples} of ${dataset} (seed ${seed})`],
      ['points', `${t.length}, from ${t[0]} to ${t.at(-1)}`],
    ],
    main,
    footer: 'All numbers are in landscape.json beside this page.',
  })
}

function scaling({ normalize }: LandscapeDocument): string {
  if (normalize === 'none') return 'they are not scaled'
  const part = normalize === 'filter' ? 'filter' : 'parameter'
  return `each ${part} of them has the norm of the same ${part} of the model`
}

const section = (heading: string, figures: readonly Html[]): Html =>
  html`<h2>${heading}</h2>\n<div class="figures">${figures}</div>`
