import { SosError } from '../torch/errors.js'
import type { Dataset } from './dataset.js'
import { idx } from './idx.js'
import { imageFolder } from './image-folder.js'
import type { Preprocess } from './preprocess.js'

/** How a dataset is named on the command line. */
export const specHelp = 'imagefolder:DIR, or idx:DIR:train, or idx:DIR:test'

export type DatasetSpec =
  | { kind: 'imagefolder'; folder: string }
  | { kind: 'idx'; folder: string; split: 'train' | 'test' }

/** Reads `KIND:PATH[:SPLIT]`. Throws `ERR_SPEC`. */
export function parseSpec(text: string): DatasetSpec {
  const [, kind, rest = ''] = text.match(/^([a-z0-9]+):(.+)$/) ?? []
  if (kind === 'imagefolder') return { kind, folder: rest }
  if (kind === 'idx') {
    const [, folder = '', split = ''] = rest.match(/^(.*):(train|test)$/) ?? []
    if (folder !== '') return { kind, folder, split: split as 'train' | 'test' }
  }
  throw new SosError('ERR_SPEC', `expected a dataset as ${specHelp} but received '${text}'`)
}

export function openDataset(spec: string, recipe: Preprocess): Promise<Dataset> {
  const parsed = parseSpec(spec)
  return parsed.kind === 'idx' ? idx(parsed.folder, parsed.split, recipe) : imageFolder(parsed.folder, recipe)
}
