import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of this package, with package.json and native. The relative path is the same from src/install and dist/install. */
export const packageFolder = fileURLToPath(new URL('../..', import.meta.url))

export const packageVersion: string = JSON.parse(
  readFileSync(join(packageFolder, 'package.json'), 'utf8'),
).version

/** Whether this is a checkout, or a pack of one for another machine. What npm installs has no scripts/setup.mjs. */
export const isCheckout = existsSync(join(packageFolder, 'scripts/setup.mjs'))

/** The command that sets up this package. */
export const setupCommand = isCheckout ? 'npm run setup' : 'npx optimum-shifting setup'
