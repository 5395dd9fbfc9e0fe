import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { SosError } from '../../base/index.js'
import type { Addon } from './addon.js'
import { collector } from './collector.js'

/** Where cmake-js leaves the addon, seen from src/torch and dist/torch alike. */
export const addonPath = fileURLToPath(
  new URL('../../../build/native/Release/sos_native.node', import.meta.url),
)

function load(): Addon {
  if (!existsSync(addonPath)) {
    throw new SosError(
      'ERR_ADDON_MISSING',
      `expected the native addon at ${addonPath} but it was not built; run \`npm run setup\``,
    )
  }
  try {
    const loaded = createRequire(import.meta.url)(addonPath) as Addon
    // A second Node-API environment, in which handles are finalized: native/binding/env_data.h tells why.
    process.dlopen({ exports: { finalizerOf: loaded } }, addonPath)
    return loaded
  } catch (cause) {
    throw new SosError(
      'ERR_ADDON_LOAD',
      `the native addon ${addonPath} does not load: ${(cause as Error).message}; was libtorch moved or Node replaced since it was built? Run \`npm run setup\``,
      { cause },
    )
  }
}

export const binding: Addon = load()
binding.setErrorClass(SosError)
binding.setCollector(collector())
// libtorch must be idle when its statics are destroyed. What is at work is waited for, what is not begun is dropped.
process.on('exit', () => binding.stopLane())
