/**
 * Packs the network and the images of `sos demo` as the npm package `@optimum-shifting/demo`. They are larger than all the rest, so
 * the package `optimum-shifting` does not contain them.
 *
 *   node scripts/pack/demo.mjs        # writes build/packages/optimum-shifting-demo-VERSION.tgz, and prints its path
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { packNpmPackage } from './npm_package.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const names = ['README.md', 'fashion-mnist', 'fashion-resnet.pt']
const files = {
  ...Object.fromEntries(names.map((name) => [name, join(root, 'assets', name)])),
  LICENSE: join(root, 'LICENSE'),
}
const fields = {
  name: '@optimum-shifting/demo',
  description:
    'A small network and images of Fashion-MNIST, for the demo and the examples of optimum-shifting',
}
console.log(packNpmPackage(root, fields, files))
