import { compareCases } from '../rounds.mjs'

export const description =
  'V* by each solver for 2,048 inputs and 1,000 classes, compared with torch.linalg.pinv in float64'
const batches = [100, 300, 1000, 2000]
const solvers = ['svd', 'gram', 'qr', 'gaussian', 'pinv']
const name = (solver, b) => `${solver}, b = ${b}`

// The default must never cost more than the pseudo-inverse, the obvious solution.
export const targets = Object.fromEntries(batches.map((b) => [name('svd', b), 1]))

/** The table, and for each row how the time of that solver grew from the previous batch size. */
export async function measure(context) {
  const rows = await compareCases({ targets }, context)
  const ours = new Map(rows.map((row) => [row.case, row.ours]))
  for (const row of rows.filter(({ error }) => error === undefined)) {
    const [, solver, b] = row.case.match(/^(.*), b = (\d+)$/)
    const before = batches[batches.indexOf(Number(b)) - 1]
    const time = ours.get(name(solver, before))
    if (time === undefined) continue
    const exponent = Math.log(row.ours / time) / Math.log(Number(b) / before)
    row.also = { 'grows as b to the': exponent }
  }
  return rows
}

export async function cases() {
  const { scope, torch } = await import('../../../dist/index.js')
  const { solveShift } = await import('../../../dist/shift/index.js')
  const { Generator } = torch
  const generator = new Generator(1)
  const a = torch.randn([Math.max(...batches), 2048], { generator })
  const v = torch.randn([2048, 1000], { generator })
  const made = batches.flatMap((b) =>
    solvers.map((solver) => {
      const rows = a.narrow(0, 0, b)
      const solve = async () => (await solveShift(rows, v, null, { solver })).weight
      return [
        name(solver, b),
        {
          async run(n) {
            for (let i = 0; i < n; i++) await scope(() => solve().then(() => {}))
          },
          result: solve,
        },
      ]
    }),
  )
  return Object.fromEntries(made)
}
