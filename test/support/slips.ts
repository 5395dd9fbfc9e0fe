import type { ConvolutionGeometry } from '../../src/model/index.js'

// What JavaScript code passes for a number by a slip. Of those that need a whole number from 1 each is wrong.
export const slips = [0, -1, Number.NaN, 1.5, Number.POSITIVE_INFINITY, '3', 2 ** 53, null]
export const without = (...right: unknown[]) => slips.filter((slip) => !right.includes(slip))
export const count = slips
export const fromZero = without(0)
export const anyWhole = without(0, -1)
export const nonNegative = without(0, 1.5, 2 ** 53)
export const positive = without(1.5, 2 ** 53)
export const finite = without(0, -1, 1.5, 2 ** 53)
export const share = without(0)
/** Lists in which one is wrong. */
export const list = (wrong: readonly unknown[], right = 1) => wrong.map((one) => [right, one])

export type Case = readonly [wrong: readonly unknown[], call: (value: never) => unknown]

export const geometry = (change: object): ConvolutionGeometry => ({
  kernel: [1, 1],
  stride: [1, 1],
  padding: [0, 0, 0, 0],
  dilation: [1, 1],
  groups: 1,
  ...change,
})

export const capture = { chunk: count, windowsPerImage: count, windowSeed: anyWhole }
export const shift = {
  ...capture,
  batchSize: count,
  seed: anyWhole,
  heldOut: fromZero,
  logitBudget: nonNegative,
}
export const trace = {
  samples: count,
  probes: [...count, 1, 1e9],
  seed: anyWhole,
  chunk: count,
  graphBytes: nonNegative,
}
export const policies = {
  delta: ['logits', nonNegative],
  tolerance: ['tolerance', share],
  share: ['energy', slips],
  rank: ['fixed', fromZero],
  lambda: ['ridge', nonNegative],
} as const

/** Cases for the options of a call, each with one wrong option. */
export function options(
  place: string,
  wrong: Readonly<Record<string, readonly unknown[]>>,
  call: (given: never) => unknown,
): Record<string, Case> {
  return Object.fromEntries(
    Object.entries(wrong).map(([name, values]) => [
      `${place}.${name}`,
      [values, (value: never) => call({ [name]: value } as never)],
    ]),
  )
}

/** As {@link options}, of the rank policies. */
export function ranks(place: string, call: (given: never) => unknown): Record<string, Case> {
  return Object.fromEntries(
    Object.entries(policies).map(([name, [policy, wrong]]) => [
      `${place}.rank.${name}`,
      [wrong, (value: never) => call({ rank: { policy, [name]: value } } as never)],
    ]),
  )
}

export function geometries(
  place: string,
  call: (given: ConvolutionGeometry) => unknown,
): Record<string, Case> {
  return {
    [`${place}.kernel`]: [list(count), (kernel) => call(geometry({ kernel }))],
    [`${place}.stride`]: [list(count), (stride) => call(geometry({ stride }))],
    [`${place}.dilation`]: [list(count), (dilation) => call(geometry({ dilation }))],
    [`${place}.padding`]: [
      list(fromZero).map((two) => [0, 0, ...two]),
      (padding) => call(geometry({ padding })),
    ],
    [`${place}.groups`]: [count, (groups) => call(geometry({ groups }))],
  }
}
