/** What draws: each has a sequence of its own, so that one more draw of one does not move the others. */
const streams = { order: 1, augmentation: 2, mixup: 3, shift: 4, model: 5 } as const

/**
 * The seed of what `stream` draws at a place of a run: a function of the place alone, so that a resumed run draws what an
 * uninterrupted one does, with no state to keep. 53 bits, mixed by SplitMix64's finaliser (Steele, Lea and Flood 2014).
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
