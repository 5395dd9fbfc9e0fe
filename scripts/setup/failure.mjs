/** A failure that the user can repair. Its message says how, and no stack is printed. */
export class SetupFailure extends Error {}
