import type { PlaceScore } from '../../sharpness/index.js'
import { count, figure, fixed, share, signedFigure } from '../numbers.js'
import {
  type LandscapeDocument,
  type LossLineDocument,
  type NamedSurface,
  shortName,
  surfacesIn,
} from './document.js'

/**
 * What a landscape lets one say, in sentences: the loss at the weights, how far it rises around them, and how the two
 * models differ on the same steps.
 *
 * @param landscape the landscape
 * @returns the sentences
 * @example
 * const found = await landscape(model, [], train, { grid: 3, samples: 4 })
 * const document = landscapeDocument(found, { models: ['network.pt'], dataset: train.name })
 * console.log(landscapeFindings(document)[0]!.slice(0, 29)) // → At its own weights network.pt
 */
export function landscapeFindings(landscape: LandscapeDocument): string[] {
  const surfaces = surfacesIn(landscape)
  const sentences = surfaces.map(
    ({ model, centre }) => `At its own weights ${shortName(model)} has ${scoreInWords(centre)}.`,
  )
  const [first, second] = surfaces
  const [rise] = surfaces.map(meanRise)
  const pair = comparedPlanes(landscape)
  if (pair !== null) {
    const [one, other] = [first!, second!].map(({ model }) => shortName(model))
    sentences.push(
      `Over the plane the loss is on average ${figure(pair.rises[0])} higher than at the weights for ${one}, and ${figure(pair.rises[1])} higher for ${other}.`,
      `After the same step ${other} has the lower loss at ${pair.lower} of ${count(pair.points, 'point')} (${share(pair.lower / pair.points)}); the mean difference is ${signedFigure(pair.difference)}.`,
    )
  } else if (rise !== null && rise !== undefined) {
    sentences.push(`Over the plane the loss is on average ${figure(rise)} higher than at the weights.`)
  }
  const lost = surfaces.map(({ loss }) => loss.flat().filter((value) => value === null).length)
  if (lost.some((number) => number > 0)) {
    sentences.push(
      `The loss is NaN or infinite at ${lost.join(' and ')} of ${landscape.x.length * landscape.y.length} points, which the figures show as the highest.`,
    )
  }
  sentences.push(
    `Two random directions are a small part of ${landscape.moved.toLocaleString('en')} dimensions. Look at several seeds before you read more than the scale from a plane.`,
  )
  return sentences
}

/**
 * What a line between two models lets one say, in sentences: the loss at both ends, and whether there is a barrier
 * between them.
 *
 * @param line the line
 * @returns the sentences
 * @example
 * const found = await lossLine(model, model, train, { points: 3, samples: 4 })
 * const document = lossLineDocument(found, { models: ['a.pt', 'b.pt'], dataset: train.name })
 * console.log(lossLineFindings(document)[0]!.slice(0, 26)) // → a.pt, at t = 0, has a loss
 */
export function lossLineFindings(line: LossLineDocument): string[] {
  const { t, loss, ends, model, between, sharedFeatures } = line
  const [a, b] = ends
  const sentences = [
    `${shortName(model)}, at t = 0, has ${scoreInWords(a)}.`,
    `${shortName(between)}, at t = 1, has ${scoreInWords(b)}.`,
  ]
  const inside = t.flatMap((at, i) => (at > 0 && at < 1 ? [{ at, loss: loss[i]! }] : []))
  const finite = inside.filter((point) => point.loss !== null)
  if (a.loss !== null && b.loss !== null && finite.length > 0) {
    const highest = finite.reduce((most, point) => (point.loss > most.loss ? point : most))
    const barrier = highest.loss - Math.max(a.loss, b.loss)
    sentences.push(
      barrier > 1e-6 * Math.max(a.loss, b.loss)
        ? `Between them the loss rises to ${figure(highest.loss)}, at t = ${fixed(highest.at)}: a barrier of ${figure(barrier)} above the higher end.`
        : 'Between them the loss is nowhere above the higher of the two ends.',
    )
  }
  const lost = loss.filter((value) => value === null).length
  if (lost > 0) sentences.push(`The loss is NaN or infinite at ${lost} of ${count(loss.length, 'point')}.`)
  if (sharedFeatures) {
    sentences.push('The models differ in their last layer only. The loss is then convex on this line.')
  }
  return sentences
}

function scoreInWords({ loss, accuracy }: PlaceScore): string {
  if (loss === null || accuracy === null) return 'a loss that is NaN or infinite'
  return `a loss of ${figure(loss)} and a top-1 accuracy of ${fixed(accuracy)} %`
}

/** The mean over the plane of the loss less that at the centre, without points that are not finite. */
function meanRise({ loss, centre }: NamedSurface): number | null {
  const losses = loss.flat().filter((value) => value !== null)
  if (centre.loss === null || losses.length === 0) return null
  return losses.reduce((sum, value) => sum + value, 0) / losses.length - centre.loss
}

/** How the losses of two models differ on a plane. */
export interface ComparedPlanes {
  /** The mean over the plane of the loss less that at the weights, for each model. */
  readonly rises: readonly [number, number]
  /** The number of points at which both losses are finite. */
  readonly points: number
  /** At how many of them the second model has the lower loss. */
  readonly lower: number
  /** The mean over them of the loss of the second model less that of the first. */
  readonly difference: number
}

/** Compares the two models of a landscape; null if there is one, or a loss at the weights is not finite. */
export function comparedPlanes(landscape: LandscapeDocument): ComparedPlanes | null {
  const [first, second] = surfacesIn(landscape)
  if (second === undefined) return null
  const [one, other] = [meanRise(first!), meanRise(second)]
  const pairs = pairsOf(first!, second)
  if (one === null || other === null || pairs.length === 0) return null
  return {
    rises: [one, other],
    points: pairs.length,
    lower: pairs.filter(([a, b]) => b < a).length,
    difference: pairs.reduce((sum, [a, b]) => sum + b - a, 0) / pairs.length,
  }
}

/** The losses of both models at the points where both are finite. */
function pairsOf(first: NamedSurface, second: NamedSurface): [number, number][] {
  const others = second.loss.flat()
  return first.loss.flat().flatMap((value, i): [number, number][] => {
    const other = others[i]!
    return value === null || other === null ? [] : [[value, other]]
  })
}
