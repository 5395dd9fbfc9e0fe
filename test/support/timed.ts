import { beforeAll, beforeEach } from 'vitest'

/** Whether the tests run on changed sources (`npm run test:mutate`), in which times mean nothing. */
export const isMutated = process.env.STRYKER_MUTATOR_WORKER !== undefined

/**
 * Runs something that several tests look at: once, or before each of them if the tests run on changed sources. There, only code
 * that runs during a test counts as covered by it.
 */
export const beforeTests = isMutated ? beforeEach : beforeAll
