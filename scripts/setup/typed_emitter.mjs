import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupFailure } from './failure.mjs'
import { packageFolder } from './packages.mjs'

/**
 * Puts the declarations of typed-emitter, with its license, beside those of the trainer, and lets these refer to them. So users do not
 * install typed-emitter: it brings 12 MB of rxjs along, as an optional dependency, and has nothing that runs.
 */
export function copyTypedEmitter(root) {
  const folder = packageFolder(root, 'typed-emitter')
  const trainer = join(root, 'dist/train/trainer.d.ts')
  const text = readFileSync(trainer, 'utf8')
  const own = text.replace(/import\('typed-emitter', \{[^}]*\}\s*\}\)/, "import('./typed-emitter.js')")
  if (own.includes("'typed-emitter'") || own === text)
    throw new SetupFailure(
      `expected ${trainer} to import typed-emitter once, in the form import('typed-emitter', …), but it does not`,
    )
  writeFileSync(trainer, own)
  const license = readFileSync(join(folder, 'LICENSE'), 'utf8').trim()
  const declarations = readFileSync(join(folder, 'index.d.ts'), 'utf8')
  writeFileSync(
    join(root, 'dist/train/typed-emitter.d.ts'),
    `/*\nThis is typed-emitter's index.d.ts. Its license:\n\n${license}\n*/\n\n${declarations}`,
  )
}
