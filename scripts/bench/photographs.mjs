import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** How many there are in the extra data. */
const real = 300

/** A folder of folders of JPEG files, at least `count`: the photographs of the extra data, or made ones where they are too few. */
export function photographs({ root, python, folder, log }, count) {
  const given = join(process.env.SOS_DATA_ROOT ?? '', 'imagenet-sample/val')
  if (process.env.SOS_DATA_ROOT && existsSync(given) && count <= real) return given
  log(`SOS_DATA_ROOT names no ${count} photographs: making images …`)
  return makePhotographs({ root, python }, join(folder(), 'photographs'), { train: 0, val: count }).val
}

/** Makes images in the folders `train` and `val` of `place`, unless they are there. Returns both folders. */
export function makePhotographs({ root, python }, place, { train, val }) {
  const args = [join(root, 'scripts/bench/make_photographs.py'), place, String(train), String(val)]
  execFileSync(python, args, { stdio: ['ignore', 'ignore', 2] })
  return { train: join(place, 'train'), val: join(place, 'val') }
}
