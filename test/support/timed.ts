import { beforeAll, beforeEach } from 'vitest'

/** Whether the sources are changed to be measured (`npm run test:mutate`): how long something takes says nothing then. */
export const isMutated = process.env.STRYKER_MUTATOR_WORKER !== undefined

/**
 * Runs what several tests look at: once, or before each of them where the sources are changed. Only what runs with a test counts as covered
 * by it, so that a change which a test would notice is held against it.
 */
export const beforeTests = isMutated ? beforeEach : beforeAll
