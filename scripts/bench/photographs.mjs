import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { imageNetSynsets } from '../../dist/data/imagenet-synsets.js'

/** The number of photographs in the extra data. */
const real = 300

/**
 * A folder with at least `count` JPEG files in its folders: the photographs of the extra data, or made images if there are too few
 * of these.
 */
export function photographs({ root, python, folder, log }, count) {
  const given = join(process.env.SOS_DATA_ROOT ?? '', 'imagenet-sample/val')
  if (process.env.SOS_DATA_ROOT && existsSync(given) && count <= real) return given
  log(`there are not ${count} photographs below SOS_DATA_ROOT: making images …`)
  return makePhotographs({ root, python }, join(folder(), 'photographs'), { train: 0, val: count }).val
}

/**
 * Makes images for the first 100 of ImageNet's classes in the folders `train` and `val` below `place`, unless they exist. Networks
 * with ImageNet's class names know these classes; sorted by name they are the outputs 0 to 99. Returns both folders.
 */
export function makePhotographs({ root, python }, place, { train, val }) {
  const below = join(place, 'synsets')
  const names = imageNetSynsets.slice(0, 100)
  const args = [join(root, 'scripts/bench/make_photographs.py'), below, String(train), String(val), ...names]
  execFileSync(python, args, { stdio: ['ignore', 'ignore', 2] })
  return { train: join(below, 'train'), val: join(below, 'val') }
}
