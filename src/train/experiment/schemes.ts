/** What is trained with: SGD (or the optimizer that the configuration names) or SAM around it, without or with SOS. */
export const schemes = ['sgd', 'sgd+sos', 'sam', 'sam+sos'] as const

export type Scheme = (typeof schemes)[number]
