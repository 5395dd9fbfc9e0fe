import { expectList, expectObject, SosError } from '../../base/index.js'
import type { Landscape, LandscapeComparison, LossLine, LossSurface } from '../../sharpness/index.js'

/** Loss and accuracy of a model on a plane. */
export interface NamedSurface extends LossSurface {
  /** The model's name, for example its path. */
  readonly model: string
}

/** A landscape as `sos landscape --json` prints it, and as a report keeps it in `landscape.json`. */
export interface LandscapeDocument extends NamedSurface {
  /** The version of this format. */
  readonly version: 1
  /** The name of the dataset. */
  readonly dataset: string
  /** The coordinates of the columns of each surface. */
  readonly x: readonly number[]
  /** The coordinates of the rows. */
  readonly y: readonly number[]
  /** The second model, if there is one. */
  readonly compare?: NamedSurface & {
    /** Whether the models differ in their last layer only, so that one pass measured both. */
    readonly sharedFeatures: boolean
  }
  /** By which norms the directions were scaled. */
  readonly normalize: Landscape['normalize']
  /** Which parameters did not move. */
  readonly ignore: Landscape['ignore']
  /** The seed of the samples and the directions. */
  readonly seed: number
  /** The number of samples that were measured. */
  readonly samples: number
  /** The number of parameters that moved. */
  readonly moved: number
}

/** A line between two models as `sos landscape --between --json` prints it. */
export interface LossLineDocument extends Omit<LossLine, 'indices'> {
  /** The version of this format. */
  readonly version: 1
  /** The name of the dataset. */
  readonly dataset: string
  /** The model at t = 0. */
  readonly model: string
  /** The model at t = 1. */
  readonly between: string
}

/**
 * Makes the document of a landscape of one model, or of two.
 *
 * @param landscape what `landscape` returned without heads, or `compareLandscapes`
 * @param about the names of the models, the first one first, and of the dataset
 * @returns a plain object that JSON can hold
 * @throws `ERR_INVALID_ARGUMENT` if there are not as many names as surfaces
 * @example
 * const found = await landscape(model, [], train, { grid: 3, samples: 4 })
 * console.log(landscapeDocument(found, { models: ['a.pt'], dataset: train.name }).x) // → [ -1, 0, 1 ]
 */
export function landscapeDocument(
  landscape: Landscape | LandscapeComparison,
  about: { models: readonly string[]; dataset: string },
): LandscapeDocument {
  expectObject('landscape', landscape)
  expectObject('about', about)
  const { x, y, surfaces, normalize, ignore, seed, samples, moved } = landscape
  const { models, dataset } = about
  expectList('surfaces', surfaces)
  expectList('models', models)
  if (models.length !== surfaces.length || surfaces.length > 2) {
    throw new SosError(
      'ERR_INVALID_ARGUMENT',
      `expected the names of one or two models, as many as there are surfaces, but received ${models.length} names for ${surfaces.length} surfaces`,
    )
  }
  const [first, second] = surfaces
  return {
    version: 1,
    model: models[0]!,
    dataset,
    x,
    y,
    ...first!,
    ...(second !== undefined && {
      compare: {
        model: models[1]!,
        ...second,
        sharedFeatures: 'sharedFeatures' in landscape ? landscape.sharedFeatures : true,
      },
    }),
    normalize,
    ignore,
    seed,
    samples,
    moved,
  }
}

/**
 * Makes the document of a line between two models.
 *
 * @param line what `lossLine` returned
 * @param about the names of both models and of the dataset
 * @returns a plain object that JSON can hold
 * @throws `ERR_INVALID_ARGUMENT`
 * @example
 * const found = await lossLine(model, model, train, { points: 3, samples: 4 })
 * const about = { models: ['a.pt', 'b.pt'], dataset: train.name } as const
 * console.log(lossLineDocument(found, about).t) // → [ -0.5, 0.5, 1.5 ]
 */
export function lossLineDocument(
  line: LossLine,
  about: { models: readonly [string, string]; dataset: string },
): LossLineDocument {
  expectObject('line', line)
  expectObject('about', about)
  const { indices: _, ...rest } = line
  const { models, dataset } = about
  expectList('models', models)
  return { version: 1, model: models[0], between: models[1], dataset, ...rest }
}

/** The surfaces of a document, that of the first model first. */
export function surfacesIn(document: LandscapeDocument): NamedSurface[] {
  return document.compare === undefined ? [document] : [document, document.compare]
}

/** A name without its folders. */
export const shortName = (model: string): string => model.split('/').at(-1)!
