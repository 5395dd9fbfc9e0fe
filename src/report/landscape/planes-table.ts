import { figure, fixed, share, signedFigure } from '../numbers.js'
import { type Table, table } from '../table.js'
import { type LandscapeDocument, shortName } from './document.js'
import { comparedPlanes } from './findings.js'

/** A table of planes that each compare two models, with a row for each. */
export function planesTable(landscapes: readonly LandscapeDocument[]): Table {
  const compared = landscapes.flatMap((landscape) => {
    const planes = comparedPlanes(landscape)
    return planes === null ? [] : [{ ...planes, landscape }]
  })
  const loss = (value: number | null | undefined) => (typeof value === 'number' ? figure(value) : '–')
  return table(
    'Loss at the weights: the mean cross-entropy of the images, before → after. Mean rise: the mean over the grid of the loss less that at the weights. The last two columns compare the losses after the same steps.',
    [
      {
        head: 'models',
        words: true,
        of: ({ landscape: { model, compare } }) => `${shortName(model)} → ${shortName(compare!.model)}`,
      },
      { head: 'seed', of: ({ landscape }) => landscape.seed },
      { head: 'grid', of: ({ landscape: { x, y } }) => `${x.length} × ${y.length}` },
      { head: 'images', of: ({ landscape }) => landscape.samples },
      {
        head: 'loss at the weights',
        of: ({ landscape: { centre, compare } }) => `${loss(centre.loss)} → ${loss(compare!.centre.loss)}`,
      },
      { head: 'mean rise', of: ({ rises: [one, other] }) => `${fixed(one, 3)} → ${fixed(other, 3)}` },
      { head: 'lower after', of: ({ lower, points }) => share(lower / points) },
      { head: 'mean difference', of: ({ difference }) => signedFigure(difference) },
    ],
    compared,
  )
}
