import { SosError } from '../torch/errors.js'
import { cifar10, cifar100 } from './cifar.js'
import type { CifarLabels } from './cifar-files.js'
import type { Dataset } from './dataset.js'
import { idx } from './idx.js'
import { imageFolder } from './image-folder.js'
import type { Preprocess } from './preprocess.js'

/** How a dataset is named on the command line. */
export const specHelp =
  'imagefolder:DIR, idx:DIR:SPLIT, cifar10:DIR:SPLIT or cifar100:DIR:SPLIT[:coarse], where SPLIT is train or test'

export type DatasetSpec =
  | { kind: 'imagefolder'; folder: string }
  | { kind: 'idx'; folder: string; split: 'train' | 'test' }
  | { kind: 'cifar10' | 'cifar100'; folder: string; split: 'train' | 'test' | null; labels: CifarLabels }

/** Reads `KIND:PATH[:SPLIT]`; `cifar10:FILE.bin` is that file of CIFAR alone. Throws `ERR_SPEC`. */
export function parseSpec(text: string): DatasetSpec {
  const [, kind, rest = ''] = text.match(/^([a-z0-9]+):(.+)$/) ?? []
  if (kind === 'imagefolder') return { kind, folder: rest }
  if (kind === 'idx') {
    const [, folder = '', split = ''] = rest.match(/^(.*):(train|test)$/) ?? []
    if (folder !== '') return { kind, folder, split: split as 'train' | 'test' }
  }
  if (kind === 'cifar10' || kind === 'cifar100') {
    const labels = kind === 'cifar100' && rest.endsWith(':coarse') ? 'coarse' : 'fine'
    const place = labels === 'coarse' ? rest.slice(0, -':coarse'.length) : rest
    const [, folder = '', split = ''] = place.match(/^(.+):(train|test)$/) ?? []
    if (folder !== '') return { kind, folder, split: split as 'train' | 'test', labels }
    if (place.endsWith('.bin')) return { kind, folder: place, split: null, labels }
  }
  throw new SosError('ERR_SPEC', `expected a dataset as ${specHelp} but received '${text}'`)
}

export function openDataset(spec: string, recipe: Preprocess): Promise<Dataset> {
  const parsed = parseSpec(spec)
  switch (parsed.kind) {
    case 'imagefolder':
      return imageFolder(parsed.folder, recipe)
    case 'idx':
      return idx(parsed.folder, parsed.split, recipe)
    case 'cifar10':
      return cifar10(parsed.folder, parsed.split, recipe)
    case 'cifar100':
      return cifar100(parsed.folder, parsed.split, recipe, { labels: parsed.labels })
  }
}
