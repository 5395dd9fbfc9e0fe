/** What draws random numbers. Each has a sequence of its own, so that one more draw of one of them does not change the others. */
const streams = { order: 1, augmentation: 2, mixup: 3, shift: 4, model: 5 } as const

/**
 * The seed for what `stream` draws at a place of a run. It depends only on the seed of the run and on the place. So a resumed run draws the
 * same as one that was not interrupted, and there is no state to keep. The seed has 53 bits, mixed by the finaliser of SplitMix64
 * (Steele, Lea and Flood 2014).
 */
export function seedAt(seed: number, stream: keyof typeof streams, epoch: number, batch = 0): number {
  let mixed = mix(BigInt(seed))
  for (const part of [streams[stream], epoch, batch]) mixed = mix(mixed ^ BigInt(part))
  return Number(mixed >> 11n)
}

const word = 64

function mix(value: bigint): bigint {
  let z = BigInt.asUintN(word, value + 0x9e3779b97f4a7c15n)
  z = BigInt.asUintN(word, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n)
  z = BigInt.asUintN(word, (z ^ (z >> 27n)) * 0x94d049bb133111ebn)
  return z ^ (z >> 31n)
}
