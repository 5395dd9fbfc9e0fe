import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { addon, builtAddon } from './addon.mjs'
import { buildTools } from './build_tools.mjs'
import { contentHash } from './content_hash.mjs'
import { libraries } from './libraries.mjs'

/** What an addon is compiled with. A prebuilt one, or one that is there, needs nothing. */
export const installedTools = {
  ...buildTools,
  isPresent: (context) => needsNoBuild(context) || buildTools.isPresent(context),
  async run(context) {
    if (!this.isPresent(context)) await buildTools.run(context)
  },
}

/** The libraries with which an addon is compiled here. A prebuilt one brings its own. */
export const installedLibraries = {
  ...libraries,
  isPresent: (context) => prebuiltOf(context) !== undefined || libraries.isPresent(context),
  async run(context) {
    if (!prebuiltOf(context)) await libraries.run(context)
  },
}

/**
 * The addon of an installation: one for each libtorch, below `addons`. It is prebuilt by a package, or compiled here. Of the build tree
 * only the addon and the libraries beside it are kept.
 */
export const installedAddon = {
  name: 'addon',
  applies: () => true,
  isPresent: (context) => needsNoBuild(context),
  stamp: (context) => prebuiltOf(context)?.path ?? addon.stamp(context),
  lacks: (context) => (needsNoBuild(context) ? [] : addon.lacks(context)),

  async run(context) {
    const prebuilt = prebuiltOf(context)
    if (prebuilt) return context.say(`the addon is prebuilt: ${prebuilt.name} ${prebuilt.version}`)
    if (needsNoBuild(context)) return
    await addon.run(context)
    keep(context)
    rmSync(join(context.build, 'native'), { recursive: true, force: true })
  },
}

/** Where the addon of the chosen libtorch is, or null if a package contains it. */
export function installedAddonPath(context) {
  return prebuiltOf(context) ? null : keptAddon(context)
}

const needsNoBuild = (context) => prebuiltOf(context) !== undefined || (!context.rebuild && isKept(context))

function prebuiltOf(context) {
  if (context.compile) return undefined
  // Known before PyTorch is installed, so that nobody is asked for a compiler that is not needed.
  const version = context.libtorch()?.torchVersion ?? context.install?.version
  const found = version && context.findPrebuilt(version)
  return found?.fits ? found : undefined
}

function keptAddon({ root, build, libtorch }) {
  const { torchRoot, torchVersion, variant } = libtorch()
  const { binary } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const place = contentHash('/', [], torchRoot).slice(0, 8)
  const key = `torch-${torchVersion}-${variant}-napi-${binary.napi_versions[0]}-${place}`
  return join(build, 'addons', key, 'sos_native.node')
}

/** Whether the addon has been built from the sources as they are now. */
function isKept(context) {
  if (!context.libtorch()) return false
  const path = keptAddon(context)
  const stamp = stampFile(path)
  return existsSync(path) && existsSync(stamp) && readFileSync(stamp, 'utf8') === addon.stamp(context)
}

/** Copies the addon and its libraries into a folder that appears complete. */
function keep(context) {
  const path = keptAddon(context)
  const folder = dirname(path)
  const unfinished = `${folder}.unfinished`
  const built = dirname(builtAddon(context.build))
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  for (const name of readdirSync(built).filter((name) => /\.(node|so|dylib)(\.\d+)*$/.test(name))) {
    cpSync(join(built, name), join(unfinished, name), { dereference: true })
  }
  writeFileSync(stampFile(join(unfinished, 'sos_native.node')), addon.stamp(context))
  rmSync(folder, { recursive: true, force: true })
  renameSync(unfinished, folder)
}

function stampFile(path) {
  return join(dirname(path), 'stamp')
}
