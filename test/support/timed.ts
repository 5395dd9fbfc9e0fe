/** Whether the sources are changed to be measured (`npm run test:mutate`): how long something takes says nothing then. */
export const isMutated = process.env.STRYKER_MUTATOR_WORKER !== undefined
