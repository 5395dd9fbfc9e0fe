import { existsSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import { basename, dirname, join } from 'node:path'
import { run, which } from './command.mjs'
import { contentHash } from './content_hash.mjs'
import { libraries } from './libraries.mjs'
import { packageFolder, packageVersion } from './packages.mjs'
import { refuseUnusablePaths } from './paths.mjs'
import { findCompiler, lacksOfCMake, refuseLacks } from './toolchain.mjs'

const SOURCES = ['CMakeLists.txt', 'native/core', 'native/binding', 'native/declarations']
const MEMORY_PER_COMPILER = 1.5 * 2 ** 30 // libtorch's headers need so much

/** The native addon, built by cmake-js. */
export const addon = {
  name: 'addon',
  applies: () => true,
  isPresent: ({ build }) => existsSync(builtAddon(build)),
  stamp: (context) =>
    context.libtorch() &&
    contentHash(context.root, SOURCES, configuration(context), libraries.variables(context)),

  lacks(context) {
    const { root, build, libtorch } = context
    refuseUnusablePaths({ 'the package': root, 'the build': build, libtorch: libtorch()?.torchRoot })
    // The compiler is tested only before it is used for the first time.
    const compiler = needsConfigure(context) ? findCompiler(context.temporary) : {}
    return [...(context.fetchesTools?.() ? [] : lacksOfCMake()), ...('what' in compiler ? [compiler] : [])]
  },

  async run(context) {
    const { build, env, log, timed, state, save } = context
    const { torchVersion, variant } = context.libtorch()
    const target = `libtorch ${torchVersion} (${variant})`
    const isStale = needsConfigure(context)
    if (isStale || hasOtherLibraries(context)) {
      const compiler = findCompiler(context.temporary)
      refuseLacks('what' in compiler ? [compiler] : [], context.command)
      await timed(`configure the addon for ${target}`, async () => {
        if (isStale) rmSync(join(build, 'native'), { recursive: true, force: true })
        await cmakeJs(context, 'configure', compilerFlags(compiler), { ...env, CXX: compiler.command })
      })
      state.stamps.configuration = contentHash(build, [], configuration(context))
      save()
    }
    const jobs = compilerJobs()
    // Not cmake-js's `compile`, which after a compile error deletes everything and builds it again.
    await timed(
      `build the addon (${jobs} at a time, minutes from clean; see ${log})`,
      () => cmakeJs(context, 'build', ['-T', 'sos_native', '-p', String(jobs)], env),
      () => lastStep(log),
    )
    libraries.copyFetched(context, dirname(builtAddon(build)))
  },
}

/** Where cmake-js writes the addon. */
export function builtAddon(build) {
  return join(build, 'native/Release/sos_native.node')
}

/** The value of a variable in a build tree's CMakeCache.txt. */
export function cmakeVariable(tree, name) {
  const path = join(tree, 'CMakeCache.txt')
  const cache = existsSync(path) ? readFileSync(path, 'utf8') : ''
  return new RegExp(`^${name}:\\w+=(.*)$`, 'm').exec(cache)?.[1]
}

/** The number of compilers that run at a time: one for each core, or fewer if there is not enough memory. */
export function compilerJobs(memory = process.availableMemory(), cores = os.availableParallelism()) {
  return Math.max(1, Math.min(cores, Math.floor(memory / MEMORY_PER_COMPILER)))
}

/** What a build tree depends on. If it changes, everything is built again. One addon runs on all versions of Node that are supported. */
function configuration({ root, libtorch }) {
  const { torchRoot, torchVersion, variant } = libtorch() ?? {}
  const versions = ['cmake-js', 'node-addon-api', 'node-api-headers'].map((name) =>
    packageVersion(root, name),
  )
  return [root, torchRoot, torchVersion, variant, process.arch, versions]
}

function needsConfigure(context) {
  const { build, state } = context
  const compiler = cmakeVariable(join(build, 'native'), 'CMAKE_CXX_COMPILER')
  const wanted = process.env.CXX ? which(process.env.CXX.trim().split(/\s+/)[0]) : compiler
  return (
    state.stamps.configuration !== contentHash(build, [], configuration(context)) ||
    !compiler ||
    !existsSync(compiler) ||
    wanted !== compiler
  )
}

/** Whether libraries have come or gone since the build tree was configured. Then only the files that use them are compiled again. */
function hasOtherLibraries(context) {
  return Object.entries(libraries.variables(context)).some(
    ([name, value]) => (cmakeVariable(join(context.build, 'native'), name) ?? value) !== value,
  )
}

function cmakeJs(context, command, args, env) {
  const { root, build, log, libtorch } = context
  const script = join(packageFolder(root, 'cmake-js'), 'bin/cmake-js')
  const variables = { TORCH_ROOT: libtorch().torchRoot, ...libraries.variables(context) }
  const definitions = Object.entries(variables).map(([name, value]) => `--CD${name}=${value}`)
  const common = ['-O', join(build, 'native'), '-B', 'Release', ...definitions]
  return run(log, process.execPath, [script, command, ...common, ...args], { cwd: root, env })
}

/** How far Ninja or Make has come, as in "12/77" or "16 %". */
function lastStep(log) {
  const output = readFileSync(log, 'utf8')
  const [, ninja, make] = [...output.matchAll(/^\[(?:(\d+\/\d+)| *(\d+)%)\]/gm)].at(-1) ?? []
  return ninja ?? (make && `${make} %`)
}

/** cmake-js finds only g++ and clang++, unless both compilers are named. The C compiler is then never used. */
function compilerFlags({ command, path }) {
  if (command.includes(' ')) return [] // CMake itself splits CXX="ccache g++"
  const c = basename(path).replace('clang++', 'clang').replace('g++', 'gcc').replace('c++', 'cc')
  return ['--cxx', path, '--cc', join(dirname(path), c)]
}
