import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run, which } from './command.mjs'
import { contentHash } from './content_hash.mjs'

/** npm's packages, exactly as in the lock file. A published package has no lock file; npm installs these packages together with it. */
export const packages = {
  name: 'packages',
  applies: ({ root }) => existsSync(join(root, 'package-lock.json')),
  isPresent: ({ root }) => existsSync(join(root, 'node_modules/.package-lock.json')),
  stamp: ({ root }) => contentHash(root, ['package-lock.json'], process.platform, process.arch),

  lacks: () => {
    if (npmCommand()[0]) return []
    return [{ what: 'npm', found: 'no npm on PATH', apt: 'npm', mac: 'brew install node' }]
  },

  async run({ root, build, log, env, timed }) {
    const [command, ...args] = npmCommand()
    const cache = { npm_config_cache: join(build, 'cache/npm') }
    await timed('npm ci', () =>
      // Development packages are installed whatever NODE_ENV says, because the types are among them.
      run(log, command, [...args, 'ci', '--include=dev', '--no-audit', '--no-fund'], {
        cwd: root,
        env: { ...env, ...cache },
      }),
    )
  },
}

/** The folder of an installed package, found as Node finds it. */
export function packageFolder(root, name) {
  for (let folder = root; ; folder = dirname(folder)) {
    const path = join(folder, 'node_modules', name)
    if (existsSync(join(path, 'package.json'))) return path
    if (folder === dirname(folder)) return undefined
  }
}

export function packageVersion(root, name) {
  const folder = packageFolder(root, name)
  return folder && JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version
}

/** The npm that runs this script, otherwise the npm on PATH. */
function npmCommand() {
  const running = process.env.npm_execpath ?? ''
  return /npm-cli\.c?js$/.test(running) && existsSync(running) ? [process.execPath, running] : [which('npm')]
}
