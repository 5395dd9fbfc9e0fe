import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { contentHash } from './content_hash.mjs'
import { installPackages, makeEnvironment, pipEnvironment } from './pip.mjs'
import { findPython } from './python.mjs'
import { lacksOfCMake } from './toolchain.mjs'

/** CMake and Ninja from PyPI, in the user's folder, if this machine has none but has a Python. */
export const buildTools = {
  name: 'tools',
  applies: () => true,
  isPresent: () => lacksOfCMake().length === 0,
  stamp: () => contentHash('/', []),
  lacks: () => [],

  async run(context) {
    const { home } = context
    const folder = join(home, 'tools')
    const pip = { ...context, env: pipEnvironment(context.env, join(home, 'pip-cache')) }
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    await makeEnvironment(pip, folder, folder)
    await installPackages(pip, folder, ['cmake', 'ninja'])
    rmSync(join(home, 'pip-cache'), { recursive: true, force: true })
    useBuildTools(home)
    context.env.PATH = process.env.PATH
  },
}

/** Whether CMake and Ninja need not be there, since they can be fetched. */
export function canFetch() {
  return 'python' in findPython()
}

/** Lets programs be found in the folder of the tools, after those of the system. */
export function useBuildTools(home) {
  if (existsSync(cmakeOf(home)))
    process.env.PATH = [process.env.PATH, join(home, 'tools/bin')].join(delimiter)
}

function cmakeOf(home) {
  return join(home, 'tools/bin/cmake')
}
