import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { torchOfVenv } from './checkout_libtorch.mjs'
import { contentHash } from './content_hash.mjs'
import { SetupFailure } from './failure.mjs'
import { inspectLibTorch } from './libtorch.mjs'
import { downloadSize, installPackages, makeEnvironment, pipEnvironment, planOf } from './pip.mjs'
import { shownSize } from './sizes.mjs'
import { lackOfPython } from './toolchain.mjs'

/** PyTorch's own index of builds for the CPU. PyPI's builds for Linux, on x86-64 and on arm64, are those for CUDA. */
const CPU_INDEX = 'https://download.pytorch.org/whl/cpu'
/** What libtorch itself needs of PyTorch's dependencies: CUDA's libraries. The others are for Python. */
const NEEDED = /^(torch|nvidia-.*|cuda-.*)$/i
const REMEDY = 'Run `npx optimum-shifting setup --remove` and then the set-up again.'

/** The version of PyTorch that the package installs and is tested with. */
export function pinnedTorch(root) {
  return /^torch==(\S+)$/m.exec(readFileSync(join(root, 'requirements.txt'), 'utf8'))[1]
}

/**
 * The PyTorch that set-up installs into the user's cache.
 *
 * @param {string} home
 * @param {string} version
 * @param {'cpu' | 'cuda' | undefined} variant
 */
export function torchToInstall(home, version, variant) {
  const folder = join(home, 'torch', variant ? `${version}-${variant}` : version)
  return {
    folder,
    version,
    variant,
    requirement: `torch==${version}`,
    options: variant === 'cpu' ? ['--index-url', CPU_INDEX] : [],
  }
}

/** The complete installations of PyTorch in the cache. @returns {import('./libtorch.mjs').LibTorch[]} */
export function cachedTorches(home) {
  const parent = join(home, 'torch')
  const names = existsSync(parent) ? readdirSync(parent) : []
  return names.sort().flatMap((name) => torchIn(join(parent, name)) ?? [])
}

/** PyTorch in the user's cache, without Python's packages that it would also need in Python. */
export const cachedTorch = {
  name: 'torch',
  applies: ({ install }) => install !== undefined,
  isPresent: ({ install }) => torchIn(install.folder) !== undefined,
  stamp: ({ install }) => contentHash('/', [], install),
  lacks: () => lackOfPython('give --libtorch DIR or --use-pytorch'),

  async run(context) {
    const { install, home, say } = context
    const { folder, requirement, options, variant } = install
    const pip = { ...context, env: pipEnvironment(context.env, join(home, 'pip-cache')) }
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(unfinished(folder), 'this installation is not finished; set-up will make it anew\n')
    await makeEnvironment(pip, folder, folder)
    const plan = await planOf(pip, folder, [requirement], options)
    const packages = plan.filter(({ name }) => NEEDED.test(name))
    say(sizesOf(packages, home))
    const requirements = packages.map(({ name, version }) => `${name}==${version}`)
    await installPackages(pip, folder, requirements, options, downloadSize(packages))
    const found = inspectLibTorch(torchOfVenv(folder), folder, REMEDY)
    if (variant && found.variant !== variant) {
      throw new SetupFailure(
        `expected a PyTorch ${install.version} for ${variant.toUpperCase()}, but pip found one for ${found.variant.toUpperCase()} (${packages[0].name} ${packages[0].version}). ` +
          'Look at where pip searches: PIP_INDEX_URL, PIP_FIND_LINKS and `pip config list`.',
      )
    }
    rmSync(unfinished(folder))
    rmSync(join(home, 'pip-cache'), { recursive: true, force: true })
    context.torch = undefined
  },
}

/** What is downloaded, in words. Throws if the disk has certainly no room for it. */
function sizesOf(packages, home) {
  const bytes = downloadSize(packages)
  const { bavail, bsize } = statfsSync(home)
  const free = bavail * bsize
  if (bytes && free < 2 * bytes) {
    throw new SetupFailure(
      `expected room for PyTorch, ${shownSize(bytes)} to download and several times as much unpacked, but ${home} has ${shownSize(free)} left. ` +
        'Set SOS_HOME to a folder on a larger disk, or use a PyTorch that is there: --libtorch DIR, --use-pytorch.',
    )
  }
  const size = bytes ? `${shownSize(bytes)} to download` : 'a download of unknown size'
  const cuda = packages.some(({ name }) => /^nvidia-/i.test(name))
    ? ' (with CUDA; --cpu takes the much smaller build for the CPU)'
    : ''
  return `PyTorch ${packages[0].version}: ${size}${cuda}; ${shownSize(free)} are free in ${home}`
}

/** The complete PyTorch in a folder of the cache. @returns {import('./libtorch.mjs').LibTorch | undefined} */
export function torchIn(folder) {
  if (existsSync(unfinished(folder))) return undefined
  try {
    return { ...inspectLibTorch(torchOfVenv(folder), folder, REMEDY), python: null }
  } catch (error) {
    if (error instanceof SetupFailure) return undefined
    throw error
  }
}

/** A file that is there while pip works: after an interruption, a half-unpacked package would look like an installed one. */
function unfinished(folder) {
  return join(folder, 'setup-is-unfinished')
}
