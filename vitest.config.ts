import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vitest/config'

const src = fileURLToPath(new URL('src', import.meta.url))
if (/[#%]/.test(src)) {
  throw new Error(`vitest cannot run tests in a path that contains # or %, as ${src} does: rename the folder`)
}

export default defineConfig({
  // The README's code imports the package by its name.
  resolve: {
    alias: [
      { find: /^optimum-shifting$/, replacement: `${src}/index.ts` },
      { find: /^optimum-shifting\/(\w+)$/, replacement: `${src}/$1/index.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // A crash of the addon ends its own file's process and no other; two at once fit two cores and their memory.
    pool: 'forks',
    maxWorkers: 2,
    // OpenMP's workers spin while they wait, by default: two processes would spin against each other.
    env: { OMP_WAIT_POLICY: 'passive' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
})
