import { defineConfig } from 'vitest/config'

import base from '../../vitest.config.js'

/**
 * Runs the tests of one folder (`dir`, to which the patterns are relative). Tests that start other processes are left out, because
 * these run `dist`, which is not changed, or download large files. Tests with random input are left out too, because every change
 * would run them.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['**/*.test.ts'],
    // Stryker measures how long each test takes, and ends tests that run much longer because of a change.
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
    exclude: [
      '**/fuzz/**',
      // Only names, since the patterns begin in the folder.
      '**/{architectures,cifar-resnets,data-parallel,efficientnet-lite,resume}.test.ts',
      '**/fetch/cifar10.test.ts',
    ],
  },
})
