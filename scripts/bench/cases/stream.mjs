import { bounded, median, memoryCourse, quantile, relativeDifference } from '../statistics.mjs'

export const description =
  'the Gram matrix of 1.28 M × 2048 float32 features in float64, compared with the float64 products alone; memory must not grow'

/**
 * The size of ImageNet's training set after a ResNet-50. The same chunks are used again, since drawing new ones would take as long
 * as the products.
 */
const shape = { features: 2048, rowsOfChunk: 4000, chunks: 320, distinct: 3 }

/** The two sides take turns, so that other work on the machine disturbs both in the same way. */
const turns = 16

/** Chunks for warm-up: the allocator has seen every size after about ten. */
const warmUpChunks = 12

/** Our side computes a little more than half of the symmetric matrix, and casts. The reference computes all of it, without casts. */
const target = 1.2

/** The growth that is allowed, in megabytes. */
const bound = { bound: 64, floor: 1 }

export function prepare() {
  return shape
}

export async function measure(context) {
  const [name] = context.select(['1.28 M × 2048'])
  const { reference, ours } = await context.startBoth()
  const iterations = Math.max(1, Math.round((shape.chunks * context.scale) / turns))
  const warmUp = { case: name, iterations: warmUpChunks }
  for (const child of [reference, ours]) await child.request(warmUp)
  const seconds = { reference: [], ours: [] }
  const resident = []
  let peak = 0
  for (let turn = 0; turn < turns; turn++) {
    const sides = [
      ['reference', reference],
      ['ours', ours],
    ]
    for (const [side, child] of turn % 2 === 0 ? sides : sides.toReversed()) {
      const answer = await child.request({ case: name, iterations })
      seconds[side].push(answer.seconds)
      if (side === 'reference') continue
      resident.push(...answer.value.resident)
      peak = answer.value.peak
    }
    context.log(`${turn + 1} of ${turns}: ${(seconds.reference[turn] / seconds.ours[turn]).toFixed(2)}`)
  }
  const difference = relativeDifference(
    (await reference.request({ result: name })).values,
    (await ours.request({ result: name })).values,
  )
  if (!(difference < 1e-12)) throw new Error(`the sides' results differ by ${difference}`)
  const rows = turns * iterations * shape.rowsOfChunk
  return [timeRow(name, seconds, rows, difference), memoryRow(name, resident, peak)]
}

function timeRow(name, seconds, rows, difference) {
  const sum = (side) => seconds[side].reduce((total, value) => total + value, 0)
  const ratios = seconds.reference.map((value, turn) => value / seconds.ours[turn])
  const flops = 2 * rows * shape.features ** 2
  return {
    case: name,
    unit: 's',
    reference: sum('reference'),
    ours: sum('ours'),
    ratio: median(ratios),
    ratioQuartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)],
    rounds: turns,
    relativeDifference: difference,
    target,
    also: {
      rows,
      'GFLOP/s of the reference': flops / sum('reference') / 1e9,
      'thousand rows/s of ours': rows / sum('ours') / 1e3,
    },
  }
}

function memoryRow(name, resident, peak) {
  const { growth, early, final } = memoryCourse(resident)
  return {
    case: `memory, ${name}`,
    unit: 'MB grown',
    ...bounded({ ...bound, ours: growth }),
    also: { early, final, 'peak RSS': peak / 2 ** 20 },
  }
}

export async function cases({ features, rowsOfChunk, distinct }) {
  const { scope, torch } = await import('../../../dist/index.js')
  const { GramAccumulator } = await import('../../../dist/shift/index.js')
  const { Generator } = torch
  const chunks = Array.from({ length: distinct }, (_, i) =>
    torch.randn([rowsOfChunk, features], { generator: new Generator(i) }),
  )
  const gram = new GramAccumulator(features)
  const step = () => gram.add(chunks[(gram.rows / rowsOfChunk) % distinct])
  return {
    '1.28 M × 2048': {
      async run(n) {
        const resident = []
        for (let i = 0; i < n; i++) {
          await step()
          resident.push(process.memoryUsage.rss())
        }
        return { resident, peak: process.resourceUsage().maxRSS * 1024 }
      },
      result: () =>
        scope(() =>
          gram
            .gram()
            .div(gram.rows)
            .matmul(torch.linspace(-1, 1, features, { dtype: 'float64' })),
        ),
    },
  }
}
