import { defineConfig } from 'vitest/config'

import base from '../../vitest.config.js'

/**
 * The tests of one folder (`dir`, which the patterns are relative to), without those of what other processes do: they run `dist`, which is
 * not changed, or fetch what is large, and without those of random input, which every change would run.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['**/*.test.ts'],
    // Before the tests run, Stryker knows how long each may take: it ends what a change keeps from ending.
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
    exclude: [
      '**/fuzz/**',
      // By their names alone: the folder is where the patterns begin.
      '**/{architectures,cifar-resnets,data-parallel,efficientnet-lite,resume}.test.ts',
      '**/fetch/cifar10.test.ts',
    ],
  },
})
