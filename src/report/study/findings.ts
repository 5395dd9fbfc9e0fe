import type { Spread } from '../../base/index.js'
import type { Study, StudySummary } from '../../shift/index.js'
import { count, fixed, pValue, signed } from '../numbers.js'
import { variantName } from './series.js'

/**
 * Says in sentences what a study shows, and no more than its numbers allow: significance, changes of accuracy, loss and norm, shifts that do nothing or
 * would be refused, classes without an image in the batch, and whether the controls do as well.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @returns plain sentences, the most important first
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * for (const sentence of studyFindings(study)) console.log(sentence)
 */
export function studyFindings(study: Study): string[] {
  return [
    significance(study),
    mainChange(study),
    norms(study),
    identities(study),
    rolledBack(study),
    unseen(study),
    controls(study),
    study.train.skipped + study.validation.skipped > 0
      ? `${count(study.train.skipped, 'training image')} and ${count(study.validation.skipped, 'validation image')} could not be read and were left out.`
      : null,
    study.rows.some(({ warnings }) => warnings.length > 0)
      ? 'In some draws the singular values have no gap at the rank, so that a slightly different rank would give another V*. The notes on the draws name them.'
      : null,
  ].filter((sentence) => sentence !== null)
}

function significance({ rows }: Study): string {
  const significant = rows.filter((row) => row.rolledBack === null && row.test.adjustedPValue < 0.05)
  const better = significant.filter(({ test }) => test.onlyAfter > test.onlyBefore).length
  const of = `${count(rows.length, 'shift')} (McNemar’s exact test, Holm’s correction, 5 %)`
  if (significant.length === 0) {
    const smallest = Math.min(...rows.map(({ test }) => test.pValue))
    return `No difference in top-1 accuracy is significant in any of ${of}: with these validation images, the shifted models cannot be distinguished from the original. The smallest uncorrected p is ${pValue(smallest)}.`
  }
  return `Top-1 accuracy differs significantly in ${significant.length} of ${of}: better in ${better}, worse in ${significant.length - better}.`
}

/** The change of accuracy and loss with the first variant, by batch size. */
function mainChange(study: Study): string {
  const [first] = study.summaries as [StudySummary]
  const name = variantName(first, study)
  const rows = study.summaries.filter((summary) => variantName(summary, study) === name)
  const changes = (of: (summary: StudySummary) => Spread, before: number, digits: number) =>
    rows
      .map((summary) => {
        const { mean, sd } = of(summary)
        const deviation = sd === null ? '' : ` ± ${fixed(sd, digits)}`
        return `${signed(mean - before, digits)}${deviation} (b = ${summary.batchSize})`
      })
      .join(', ')
  const draws =
    first.draws > 1
      ? 'mean ± standard deviation of the draws'
      : 'one draw, so the spread between draws is unknown'
  return `With ${name} top-1 changes by ${changes(({ top1 }) => top1, study.before.top1, 3)} percentage points, cross-entropy by ${changes(({ loss }) => loss, study.before.loss, 4)}; ${draws}.`
}

function norms({ rows, normBefore }: Study): string {
  const changes = rows.map(({ normAfter }) => (normBefore > 0 ? 100 * (1 - normAfter / normBefore) : 0))
  const [least, most] = [Math.min(...changes), Math.max(...changes)].map((change) => fixed(change, 1))
  return `The norm of V shrinks by ${least === most ? least : `${least} to ${most}`} %. A shift always shrinks it; this alone says nothing about sharpness or generalisation.`
}

function identities({ rows, inFeatures }: Study): string | null {
  const found = rows.filter(({ identity }) => identity)
  if (found.length === 0) return null
  const sizes = [...new Set(found.map(({ batchSize }) => batchSize))].join(', ')
  return `${found.length} of ${count(rows.length, 'shift')} (b = ${sizes}) ${found.length === 1 ? 'is' : 'are'} the identity: the batch spans all ${inFeatures} inputs of the layer, so V* = V. A smaller batch is needed to change anything.`
}

function rolledBack({ rows }: Study): string | null {
  const found = rows.filter((row) => row.rolledBack !== null)
  if (found.length === 0) return null
  return `${found.length} of ${count(rows.length, 'shift')} would not be written by \`sos shift\`: ${found[0]!.rolledBack}. Their numbers describe models that are never written, and none of them counts as significant.`
}

function unseen({ rows }: Study): string | null {
  const found = rows.flatMap((row) => (row.unseen === null ? [] : [row.unseen]))
  if (found.length === 0) return null
  const images = found.reduce((sum, row) => sum + row.images, 0)
  const mean = (of: (row: (typeof found)[number]) => number) =>
    fixed(found.reduce((sum, row) => sum + row.images * of(row), 0) / images, 1)
  const most = Math.max(...found.map(({ classes }) => classes))
  return `${found.length} of ${count(rows.length, 'batch', 'batches')} hold no image of some classes (up to ${most}). Images of those classes: top-1 ${mean((row) => row.top1Before)} % before, ${mean((row) => row.top1After)} % after.`
}

function controls(study: Study): string | null {
  if (study.controls.length === 0) return null
  const main = study.summaries.filter(({ method }) => method === 'shift')
  const name = variantName(main[0]!, study)
  const wins = study.batchSizes.filter((batchSize) => {
    const at = (summary: StudySummary) => summary.batchSize === batchSize
    const shift = main.find((summary) => at(summary) && variantName(summary, study) === name)!
    const others = study.summaries.filter(
      (summary) => summary.method !== 'shift' && summary.undamped < summary.draws && at(summary),
    )
    return others.every(({ top1 }) => shift.top1.mean > top1.mean)
  })
  const undamped = study.controls.filter(({ lambda }) => lambda === 0).length
  const ridges = study.controls.filter(({ method }) => method === 'ridge').length
  const itself =
    undamped === 0
      ? ''
      : ` In ${undamped} of ${count(ridges, 'draw')} the ridge control has λ = 0, so that it is the shift itself and says nothing.`
  return `The mean top-1 of ${name} is above that of every control at ${wins.length} of ${count(study.batchSizes.length, 'batch size')}${wins.length < study.batchSizes.length ? '. Where it is not, shrinking V in another way does as well' : ''}.${itself}`
}
