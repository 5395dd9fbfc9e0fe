import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findLibTorch, inspectVenvTorch, usesVenv } from './checkout_libtorch.mjs'
import { run } from './command.mjs'
import { contentHash } from './content_hash.mjs'
import { makeEnvironment, pip, pipEnvironment } from './pip.mjs'
import { isUsableVenv } from './python.mjs'
import { lackOfPython } from './toolchain.mjs'

/** The checkout's own Python environment, `.venv`. libtorch is a part of its PyTorch. */
export const venv = {
  name: 'venv',
  applies: usesVenv,
  isPresent: ({ root }) => !existsSync(unfinished(root)) && findLibTorch({ root }) !== undefined,
  stamp: ({ root }) => contentHash(root, ['requirements.txt']),
  lacks: ({ root }) => (needsPython(root) ? lackOfPython('set LIBTORCH or LIBTORCH_USE_PYTORCH=1') : []),

  async run(context) {
    const { root, build, log, say, timed } = context
    const folder = join(root, '.venv')
    const python = join(folder, 'bin/python')
    const env = pipEnvironment(context.env, join(build, 'cache/pip'))

    if (existsSync(folder) && (existsSync(unfinished(root)) || !isUsableVenv(python))) {
      say('.venv is unfinished or does not run; making it anew')
      rmSync(folder, { recursive: true })
    }
    const isNew = !existsSync(folder)
    mkdirSync(folder, { recursive: true })
    writeFileSync(unfinished(root), 'npm run setup has not finished this .venv and will make it anew\n')
    if (isNew) await makeEnvironment(context, root, '.venv')
    const install = ['install', '--progress-bar', 'off', '-r', 'requirements.txt']
    await timed('pip install -r requirements.txt (PyTorch; minutes when it is downloaded)', () =>
      run(log, python, [...pip, ...install], { cwd: root, env }),
    )
    inspectVenvTorch(root)
    rmSync(unfinished(root))
    rmSync(join(build, 'cache/pip'), { recursive: true, force: true })
    context.torch = undefined
  },
}

/** Whether a Python from outside of the .venv is needed to make it. */
function needsPython(root) {
  return existsSync(unfinished(root)) || !isUsableVenv(join(root, '.venv/bin/python'))
}

/** A file that is in .venv while pip works there: after an interruption, pip would take a half-unpacked package for an installed one. */
function unfinished(root) {
  return join(root, '.venv/setup-is-unfinished')
}
