import { SosError, specHelp } from '../base/index.js'
import { cifar10, cifar100 } from './cifar.js'
import type { CifarLabels } from './cifar-files.js'
import type { Dataset } from './dataset.js'
import { idxFolder } from './idx.js'
import type { ImageOptions } from './image-files.js'
import { imageFolder } from './image-folder.js'
import { imageNet } from './imagenet.js'
import type { Preprocess } from './preprocess.js'

/** A dataset as a text names it. */
export type DatasetSpec =
  | { kind: 'imagefolder'; folder: string }
  | { kind: 'imagenet'; folder: string; split: 'train' | 'val' }
  | { kind: 'idx'; folder: string; split: 'train' | 'test' }
  | { kind: 'cifar10' | 'cifar100'; folder: string; split: 'train' | 'test' | null; labels: CifarLabels }

/** Parses `KIND:PATH[:SPLIT]`. `cifar10:FILE.bin` means that file of CIFAR alone. Throws `ERR_SPEC`. */
export function parseSpec(text: string): DatasetSpec {
  const [, kind, rest = ''] = text.match(/^([a-z0-9]+):(.+)$/) ?? []
  const [, folder = '', split] = rest.match(/^(.+):([a-z]+)$/) ?? []
  if (kind === 'imagefolder') return { kind, folder: rest }
  if (kind === 'imagenet' && (split === 'train' || split === 'val')) return { kind, folder, split }
  if (kind === 'idx' && (split === 'train' || split === 'test')) return { kind, folder, split }
  if (kind === 'cifar10' || kind === 'cifar100') {
    const labels = kind === 'cifar100' && rest.endsWith(':coarse') ? 'coarse' : 'fine'
    const place = labels === 'coarse' ? rest.slice(0, -':coarse'.length) : rest
    const [, files = '', part = ''] = place.match(/^(.+):(train|test)$/) ?? []
    if (files !== '') return { kind, folder: files, split: part as 'train' | 'test', labels }
    if (place.endsWith('.bin')) return { kind, folder: place, split: null, labels }
  }
  throw new SosError('ERR_SPEC', `expected a dataset in the form ${specHelp} but received '${text}'`)
}

/**
 * Opens the dataset that a text names, as the options `--data`, `--train` and `--val` of the commands do.
 *
 * @param spec `imagefolder:DIR`, `imagenet:DIR:SPLIT`, `idx:DIR:SPLIT`, `cifar10:DIR:SPLIT` or `cifar100:DIR:SPLIT[:coarse]`; CIFAR also takes
 * the path of one `.bin` file instead of `DIR:SPLIT`
 * @param recipe the preprocessing
 * @param options see {@link ImageOptions}, for datasets of image files. Default: a corrupt image is an error
 * @returns the dataset
 * @throws `ERR_SPEC` if the text has another form, and what the function for this kind of dataset throws
 * @example
 * const data = await openDataset('idx:assets/fashion-mnist:test', preprocess)
 * console.log(data.size) // → 2000
 */
export function openDataset(spec: string, recipe: Preprocess, options: ImageOptions = {}): Promise<Dataset> {
  const parsed = parseSpec(spec)
  switch (parsed.kind) {
    case 'imagefolder':
      return imageFolder(parsed.folder, recipe, options)
    case 'imagenet':
      return imageNet(parsed.folder, parsed.split, recipe, options)
    case 'idx':
      return idxFolder(parsed.folder, parsed.split, recipe)
    case 'cifar10':
      return cifar10(parsed.folder, parsed.split, recipe)
    case 'cifar100':
      return cifar100(parsed.folder, parsed.split, recipe, { labels: parsed.labels })
  }
}
