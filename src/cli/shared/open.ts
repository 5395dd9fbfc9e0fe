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
