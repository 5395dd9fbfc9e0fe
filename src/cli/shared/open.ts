import { isDeepStrictEqual } from 'node:util'
import { SosError } from '../../base/index.js'
import type { Dataset, Preprocess } from '../../data/index.js'
import type { ScriptModule } from '../../torch/index.js'
import { library } from './library.js'
import { type ModelOptions, preprocessChanges } from './options.js'

/** Loads a model, and opens the dataset with the model's preprocessing, its labels in the order of the model's outputs. */
export async function openModelAndData(
  path: string,
  options: ModelOptions,
): Promise<{ model: ScriptModule; dataset: Dataset; preprocess: Preprocess }> {
  const { datasetFor, openDataset, preprocessOf, ScriptModule } = await library()
  const model = await ScriptModule.load(path, { device: options.device })
  const preprocess = preprocessOf(model, options.preset, preprocessChanges(options))
  const { skipCorrupt = false } = options
  const dataset = await openDataset(options.data, preprocess, { skipCorrupt })
  return { model, dataset: datasetFor(model, dataset, await outputNames(options)), preprocess }
}

/** The names that `--classes` gives to the outputs of the model; undefined if the option is not given. */
export async function outputNames({
  classes,
}: Pick<ModelOptions, 'classes'>): Promise<readonly string[] | undefined> {
  if (classes === undefined) return undefined
  const { classNames, imageNetSynsets } = await library()
  return classes === 'imagenet' ? imageNetSynsets : classNames(classes)
}

/**
 * Throws `ERR_INVALID_ARGUMENT` if two models have other preprocessing: on the same files they see other images, so that a comparison would
 * not be paired.
 */
export function expectSamePreprocessing(
  first: { readonly path: string; readonly preprocess: Preprocess },
  second: { readonly path: string; readonly preprocess: Preprocess },
): void {
  if (isDeepStrictEqual(first.preprocess, second.preprocess)) return
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected two models with the same preprocessing but that of ${first.path} is ${JSON.stringify(first.preprocess)} and that of ${second.path} ${JSON.stringify(second.preprocess)}; give both the same by --preset or by --resize, --crop, --mean and --std, or measure them one by one`,
  )
}
