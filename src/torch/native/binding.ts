import { createRequire } from 'node:module'
import { SosError } from '../../base/index.js'
import { findInstallation, openLibTorch, setupCommand } from '../../install/index.js'
import type { Addon } from './addon.js'
import { collector } from './collector.js'

/** The addon that this process uses, and where it comes from. */
export const installation = findInstallation()

function load(): Addon {
  const { addon, origin, torchRoot } = installation
  try {
    if (origin === 'prebuilt') openLibTorch(torchRoot!)
    const loaded = createRequire(import.meta.url)(addon) as Addon
    // A second Node-API environment, in which handles are finalized: native/binding/env_data.h gives the reason.
    process.dlopen({ exports: { finalizerOf: loaded } }, addon)
    return loaded
  } catch (cause) {
    throw new SosError(
      'ERR_ADDON_LOAD',
      `the native addon ${addon} cannot be loaded: ${(cause as Error).message}. Perhaps libtorch was moved or replaced since it was built; run \`${setupCommand}\``,
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
