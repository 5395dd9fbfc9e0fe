/** A failure that the user can repair: its message says how, so no stack is printed. */
export class SetupFailure extends Error {}
