import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { SosError } from '../../base/index.js'

const packageName = '@optimum-shifting/demo'

/** The paths of the demo's network, and of the folder with its images. */
export function demoAssets(): { network: string; images: string } {
  const folder = demoFolder()
  return { network: join(folder, 'fashion-resnet.pt'), images: join(folder, 'fashion-mnist') }
}

/** A checkout has the files itself. The published package does not, because they are larger than all the rest of it. */
function demoFolder(): string {
  const own = fileURLToPath(new URL('../../../assets', import.meta.url))
  if (existsSync(own)) return own
  const require = createRequire(import.meta.url)
  try {
    return dirname(
      require.resolve(`${packageName}/package.json`, { paths: [process.cwd(), import.meta.dirname] }),
    )
  } catch (cause) {
    throw new SosError(
      'ERR_FILE_NOT_FOUND',
      `expected the demo's network and images, which are the npm package ${packageName}, but it is not installed in ${process.cwd()}; run \`npm i ${packageName}\``,
      { cause },
    )
  }
}
