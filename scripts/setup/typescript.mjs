import { chmodSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './command.mjs'
import { contentHash } from './content_hash.mjs'
import { SetupFailure } from './failure.mjs'
import { packageFolder, packageVersion } from './packages.mjs'
import { copyTypedEmitter } from './typed_emitter.mjs'

const GENERATOR = 'scripts/generate_operators.mjs'
/** TypeScript 7. The package `typescript` is 6, whose interface TypeDoc and our own checks use. */
const COMPILER = 'typescript-7'

/** The operators' types, from the libtorch that the addon is linked with. */
export const operators = {
  name: 'operators',
  applies: hasSources,
  isPresent: ({ root }) =>
    ['operators', 'operator-packets'].every((name) =>
      existsSync(join(root, `src/torch/operators/${name}.generated.ts`)),
    ),
  stamp: ({ root, state }) => contentHash(root, [GENERATOR], state.stamps.addon),
  lacks: () => [],
  run: ({ root, log, env, timed }) =>
    timed("generate the operators' types", () => run(log, process.execPath, [GENERATOR], { cwd: root, env })),
}

/** Compiles src to dist. */
export const dist = {
  name: 'dist',
  applies: hasSources,
  isPresent: ({ root }) => existsSync(join(root, 'dist/cli/main.js')),
  stamp: ({ root }) =>
    contentHash(root, ['src', 'tsconfig.json', 'package-lock.json'], packageVersion(root, COMPILER)),
  lacks: () => [],

  async run({ root, log, env, timed }) {
    const script = join(packageFolder(root, COMPILER), 'bin/tsc')
    await timed('compile TypeScript', async () => {
      rmSync(join(root, 'dist'), { recursive: true, force: true }) // remove files whose source is gone
      await run(log, process.execPath, [script, '-p', 'tsconfig.json', '--pretty', 'false'], {
        cwd: root,
        env,
      })
      const main = join(root, 'dist/cli/main.js')
      if (!existsSync(main))
        throw new SetupFailure(`expected tsc to write ${main}, but it did not: is src/cli/main.ts there?`)
      chmodSync(main, 0o755)
      copyTypedEmitter(root)
    })
  },
}

/** Whether there is src. A pack for another machine (scripts/gpu/pack.mjs) is compiled and has no src. */
function hasSources({ root }) {
  return existsSync(join(root, 'src'))
}
