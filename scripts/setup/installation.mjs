/**
 * Sets up the package where npm has installed it: PyTorch and the addon go into a folder of the user's, and nothing is written into
 * node_modules. The command `optimum-shifting setup` (src/cli/commands/setup.ts) calls it.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { canFetch, useBuildTools } from './build_tools.mjs'
import { cachedTorch, torchIn } from './cached_torch.mjs'
import { chooseLibTorch } from './choose_libtorch.mjs'
import { createContext, say } from './context.mjs'
import { SetupFailure } from './failure.mjs'
import { installedAddon, installedAddonPath, installedLibraries, installedTools } from './installed_addon.mjs'
import { installArguments } from './pip.mjs'
import { readState } from './state.mjs'
import { completeSteps } from './steps.mjs'
import { lackOfNode } from './toolchain.mjs'

export { installations, removeInstallations } from './remove.mjs'
export { shownSize } from './sizes.mjs'
export { SetupFailure }

/**
 * @typedef {object} Options
 * @property {string} root the package's folder
 * @property {string} home the user's folder, which all versions of the package share
 * @property {string} installation the folder in it for this version
 * @property {(torchVersion: string) => { name: string, version: string, fits: boolean, path: string } | undefined} findPrebuilt
 * @property {string} version of the package
 * @property {string} [libtorch] a folder to use
 * @property {boolean} [usePytorch] use the PyTorch of the Python on PATH
 * @property {boolean} [cpu] install PyTorch's build for the CPU
 * @property {boolean} [cuda] install PyTorch's build for CUDA
 * @property {boolean} [compile] use no prebuilt addon
 * @property {boolean} [rebuild] compile the addon although one is there
 */

/**
 * Does what is missing, says what it does on stderr, and ends with a check that the addon can be loaded.
 *
 * @param {Options} options
 */
export async function setUp(options) {
  const { root, home, installation, findPrebuilt } = options
  makeWritable(installation)
  useBuildTools(home)
  const { found, install, why } = chooseLibTorch({ ...options, say }, readState(installation))
  if (found) say(`libtorch ${found.torchVersion} (${found.variant}), ${why}: ${found.torchRoot}`)
  const misfit = found && !options.compile ? findPrebuilt(found.torchVersion) : undefined
  if (misfit && !misfit.fits) {
    say(`${misfit.name} ${misfit.version} is not used: only version ${options.version} fits`)
  }
  const layout = {
    ...{ root, home, install, findPrebuilt, compile: options.compile, rebuild: options.rebuild },
    build: installation,
    locked: home,
    written: [installation],
    command: 'npx optimum-shifting setup',
    isAskedFor: true,
    fetchesTools: canFetch,
    findLibTorch: () => found ?? torchIn(install.folder),
    addonPath: installedAddonPath,
  }
  const steps = [cachedTorch, installedTools, installedLibraries, installedAddon]
  await completeSteps(steps, () => createContext(layout), lackOfNode(root))
  const findings = examine(root)
  if (findings.error === null) {
    say(`ready: ${findings.torch.addon}`)
    return
  }
  if (options.compile || findPrebuilt(readState(installation).torchVersion) === undefined) {
    throw new SetupFailure(`the addon was set up but cannot be loaded: ${findings.error}`)
  }
  say(`the prebuilt addon cannot be loaded here, so one is compiled: ${findings.error}`)
  await setUp({ ...options, compile: true })
}

/** The commands that `setUp` would run, as lines. Nothing is written. */
export function planSetUp(options) {
  const { home, installation } = options
  const { found, install, why } = chooseLibTorch({ ...options, say }, readState(installation))
  const version = found?.torchVersion ?? install.version
  const prebuilt = options.compile ? undefined : options.findPrebuilt(version)
  return [
    `folder: ${home}`,
    `libtorch: ${found ? `${found.torchVersion} (${found.variant}), ${why}: ${found.torchRoot}` : `${install.requirement}, ${why} into ${install.folder}`}`,
    ...(install
      ? [
          `run: python3 -m venv ${install.folder}`,
          `run: ${[join(install.folder, 'bin/python'), ...installArguments([install.requirement], install.options)].join(' ')}`,
        ]
      : []),
    `addon: ${prebuilt?.fits ? `prebuilt by ${prebuilt.name} ${prebuilt.version}` : `compiled for that libtorch below ${installation}, unless that has been done`}`,
  ]
}

function makeWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch (error) {
    throw new SetupFailure(
      `expected a folder that can be written, but ${folder} cannot: ${error.message}. Set SOS_HOME to a folder of yours.`,
    )
  }
}

/** Loads the addon in a process of its own, as `doctor` does. */
function examine(root) {
  const command = [join(root, 'dist/cli/main.js'), 'doctor', '--json']
  try {
    return JSON.parse(
      execFileSync(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 }),
    )
  } catch (error) {
    if (error.stdout?.length > 0) return JSON.parse(error.stdout)
    return { error: String(error.stderr || error.message).trim() }
  }
}
