import { expect } from 'vitest'
import { mcnemar } from '../../src/evaluate/index.js'
import type { Dataset, ScriptModule, Tensor } from '../../src/index.js'

/** Of the network mlp.scripted.pt: the last layer's inputs, tanh(Wx + b), its weight V and its bias, by dense arithmetic. */
export async function denseNetwork(model: ScriptModule) {
  const [w, b, weight, bias] = ['0.weight', '0.bias', '2.weight', '2.bias'].map((name) =>
    model.namedParameters().get(name)!.detach().clone(),
  ) as [Tensor, Tensor, Tensor, Tensor]
  const of = async (data: Dataset, indices: readonly number[]) =>
    (await data.load(indices)).images.matmul(w.t()).add(b).tanh()
  return { of, v: weight.t(), bias }
}

/** What a row of a study reports about the validation images, from logits before and after. */
export function measuredByHand(z: Tensor, zStar: Tensor, labels: readonly number[]) {
  const [before, after] = [z, zStar].map((one) => one.toArray() as number[][])
  const predicted = (rows: number[][]) => rows.map((row) => row.indexOf(Math.max(...row)))
  const [first, second] = [predicted(before!), predicted(after!)]
  const right = (classes: number[]) => classes.map((one, i) => Number(one === labels[i]))
  const losses = after!.map(
    (row, i) => Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0)) - row[labels[i]!]!,
  )
  const changes = after!.map((row, i) => row.map((logit, k) => logit - before![i]![k]!))
  const spreads = changes.map((row) => Math.max(...row) - Math.min(...row))
  const margins = before!.map((row) => {
    const [best, next] = [...row].sort((x, y) => y - x) as [number, number]
    return best - next
  })
  const count = (flags: boolean[]) => flags.filter(Boolean).length
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [wasRight, isRight] = [right(first), right(second)]
  const lengths = changes.map((row) => Math.hypot(...row))
  const largestOf = changes.map((row) => Math.max(...row.map(Math.abs)))
  return {
    wasRight,
    isRight,
    top1: 100 * mean(isRight),
    loss: mean(losses),
    onlyBefore: count(wasRight.map((one, i) => one === 1 && isRight[i] === 0)),
    onlyAfter: count(wasRight.map((one, i) => one === 0 && isRight[i] === 1)),
    pValue: mcnemar(Uint8Array.from(wasRight), Uint8Array.from(isRight)).pValue,
    drift: {
      samples: labels.length,
      maxLogitChange: expect.closeTo(Math.max(...largestOf), 10),
      meanLogitChange: expect.closeTo(mean(largestOf), 10),
      maxLossChange: expect.closeTo(Math.SQRT2 * Math.max(...lengths), 10),
      meanLossChange: expect.closeTo(Math.SQRT2 * mean(lengths), 10),
      marginSafeShare: count(spreads.map((spread, i) => margins[i]! > spread)) / labels.length,
      changedPredictions: count(first.map((one, i) => one !== second[i])),
      sample: spreads.map((spread, i) => ({
        drift: expect.closeTo(spread, 3),
        margin: expect.closeTo(margins[i]!, 3),
      })),
    },
  }
}
