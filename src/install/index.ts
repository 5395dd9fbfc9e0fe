// Where is the addon, and where is its libtorch? It reads what scripts/setup has made, and does not load the addon.

export { homeFolder, installationFolder } from './home.js'
export { findInstallation, type Installation, installationRecord } from './installation.js'
export { openLibTorch } from './open-libtorch.js'
export { isCheckout, packageFolder, packageVersion, setupCommand } from './package.js'
export { findPrebuilt, type PrebuiltAddon, prebuiltName } from './prebuilt-addon.js'
