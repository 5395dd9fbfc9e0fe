import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { SosError } from '../../base/index.js'
import type { Addon } from './addon.js'
import { collector } from './collector.js'

/** Where cmake-js writes the addon. The relative path is the same from src/torch/native and dist/torch/native. */
export const addonPath = fileURLToPath(
  new URL('../../../build/native/Release/sos_native.node', import.meta.url),
)

function load(): Addon {
  if (!existsSync(addonPath)) {
    throw new SosError(
      'ERR_ADDON_MISSING',
      `expected the native addon at ${addonPath} but it has not been built; run \`npm run setup\``,
    )
  }
  try {
    const loaded = createRequire(import.meta.url)(addonPath) as Addon
    // A second Node-API environment, in which handles are finalized: native/binding/env_data.h gives the reason.
    process.dlopen({ exports: { finalizerOf: loaded } }, addonPath)
    return loaded
  } catch (cause) {
    throw new SosError(
      'ERR_ADDON_LOAD',
      `the native addon ${addonPath} cannot be loaded: ${(cause as Error).message}. Perhaps libtorch was moved or Node was replaced since it was built; run \`npm run setup\``,
      { cause },
    )
  }
}

/** The addon of this environment. */
export const binding: Addon = load()
binding.setErrorClass(SosError)
binding.setCollector(collector())
// libtorch must be idle when its static objects are destroyed: this waits for the call that is running and drops those that have not begun.
process.on('exit', () => binding.stopLane())
