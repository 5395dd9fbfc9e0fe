import { cpSync, existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { contentHash } from './content_hash.mjs'
import { hasDebianPackages, unpackDebianPackage } from './debian_packages.mjs'

/**
 * What the addon, or core's tests, can do without, but not as well. CMakeLists.txt has variables of the names that are here.
 *
 * @typedef {object} Library
 * @property {string} name
 * @property {[variable: string, file: string]} header
 * @property {[variable: string, files: string[]]} [library] the first file that is found is taken
 * @property {string} debian the package with the header, in Debian and Ubuntu
 * @property {string} remedy how to install it on other systems
 * @property {string} loss what happens without it
 * @property {boolean} [isForTests]
 */

/** @type {Library[]} */
const LIBRARIES = [
  {
    name: 'libturbojpeg',
    header: ['TURBOJPEG_INCLUDE', 'turbojpeg.h'],
    // On macOS the static library, because the shared one is known by its absolute path only.
    library: ['TURBOJPEG_LIBRARY', process.platform === 'darwin' ? ['libturbojpeg.a'] : ['libturbojpeg.so']],
    debian: 'libturbojpeg0-dev',
    remedy: 'Fedora: turbojpeg-devel; macOS: brew install jpeg-turbo',
    loss: 'sharp decodes JPEG files, in about twice the time',
  },
  {
    name: 'doctest',
    header: ['DOCTEST_INCLUDE', 'doctest/doctest.h'],
    debian: 'doctest-dev',
    remedy: 'Fedora: doctest-devel; macOS: brew install doctest',
    loss: "core's own tests are left out",
    isForTests: true,
  },
]

/** The step that brings the libraries that this machine does not have, below `build`, if it has Debian's packages. */
export const libraries = librariesOf(systemPrefixes())

/** @param {string[]} prefixes folders with include/ and lib/ */
export function librariesOf(prefixes) {
  const found = (context, library) => find(library, [...prefixes, fetched(context, library)])
  const lacking = (context) => wantedBy(context).filter((library) => found(context, library) === undefined)

  /** Where the libraries are: the values of CMakeLists.txt's variables. Those of a library that is not there are NOTFOUND. */
  const variables = (context) =>
    Object.assign(
      {},
      ...wantedBy(context).map((library) => {
        const names = [library.header[0], ...(library.library?.slice(0, 1) ?? [])]
        return found(context, library) ?? Object.fromEntries(names.map((name) => [name, `${name}-NOTFOUND`]))
      }),
    )

  return {
    name: 'libraries',
    applies: () => true,
    // What could not be fetched is tried again if the user asks for set-up, and not by each command that begins with it.
    isPresent: (context) =>
      lacking(context).every((library) => !context.isAskedFor && existsSync(noteOf(context, library))),
    stamp: () => contentHash('/', [], process.arch),
    lacks: () => [],

    async run(context) {
      for (const library of lacking(context)) {
        const reason = await fetchLibrary(library, context)
        if (reason === undefined) continue
        const { name, loss, debian, remedy } = library
        const text = `${name} is missing, and ${reason}. Without it, ${loss}. Install it (Debian, Ubuntu: ${debian}; ${remedy}), or run \`${context.command}\` again later`
        context.say(text)
        mkdirSync(dirname(noteOf(context, library)), { recursive: true })
        writeFileSync(noteOf(context, library), `${text}\n`)
      }
    },

    variables,

    /** Copies the shared libraries that were fetched beside the addon, which looks for them there. */
    copyFetched(context, folder) {
      const below = join(context.build, 'libraries')
      for (const path of Object.values(variables(context))) {
        if (!path.startsWith(below) || !path.endsWith('.so')) continue
        // The addon asks for the name with one number, as in libturbojpeg.so.0.
        const name = readdirSync(dirname(path)).find((file) =>
          /^\.\d+$/.test(file.replace(basename(path), '')),
        )
        if (name) cpSync(realpathSync(path), join(folder, name))
      }
    },
  }
}

/** @returns {Promise<string | undefined>} why it could not be fetched */
async function fetchLibrary(library, context) {
  if (!hasDebianPackages()) return 'this system has no apt-get to fetch it with'
  try {
    await context.timed(`fetch ${library.name} (${library.debian})`, () =>
      unpackDebianPackage(library.debian, join(context.build, 'libraries', library.name), context),
    )
    rmSync(noteOf(context, library), { force: true })
    return undefined
  } catch (error) {
    const lines = error.message.split('\n')
    return `apt-get could not fetch it (${lines.findLast((line) => line.startsWith('E: ')) ?? lines[0]})`
  }
}

function wantedBy({ root }) {
  const hasTests = existsSync(join(root, 'native/test'))
  return LIBRARIES.filter(({ isForTests }) => hasTests || !isForTests)
}

function find({ header: [variable, file], library }, prefixes) {
  for (const prefix of prefixes) {
    const include = join(prefix, 'include')
    if (!existsSync(join(include, file))) continue
    if (!library) return { [variable]: include }
    const paths = library[1].flatMap((name) => libraryFolders().map((folder) => join(prefix, folder, name)))
    const path = paths.find((path) => existsSync(path))
    if (path) return { [variable]: include, [library[0]]: path }
  }
}

function libraryFolders() {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch] ?? process.arch
  return [`lib/${machine}-linux-gnu`, 'lib64', 'lib']
}

function systemPrefixes() {
  const asked = (process.env.CMAKE_PREFIX_PATH ?? '').split(delimiter).filter(Boolean)
  const brewed = ['/opt/homebrew', '/opt/homebrew/opt/jpeg-turbo', '/usr/local/opt/jpeg-turbo']
  return [...asked, '/usr/local', '/usr', ...(process.platform === 'darwin' ? brewed : [])]
}

function fetched({ build }, { name }) {
  return join(build, 'libraries', name, 'usr')
}

/** A file that says why a library is not there. */
function noteOf({ build }, { name }) {
  return join(build, 'libraries', `${name}.missing`)
}
