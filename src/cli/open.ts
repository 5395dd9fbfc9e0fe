import type { Dataset, Preprocess, ScriptModule } from '../index.js'
import { type ModelOptions, preprocessChanges } from './options.js'

/** Loads a model, and opens the dataset with the preprocessing that the model asks for. */
export async function openModelAndData(
  path: string,
  options: ModelOptions,
): Promise<{ model: ScriptModule; dataset: Dataset; preprocess: Preprocess }> {
  const { openDataset, preprocessOf, ScriptModule } = await import('../index.js')
  const model = await ScriptModule.load(path, { device: options.device })
  const preprocess = preprocessOf(model, options.preset, preprocessChanges(options))
  const { skipCorrupt = false } = options
  return { model, dataset: await openDataset(options.data, preprocess, { skipCorrupt }), preprocess }
}
