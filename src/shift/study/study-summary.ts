import { spreadOf } from '../../base/index.js'
import type { StudyRow, StudySummary, StudyVariant } from './study-result.js'

/** One summary for each batch size of each variant, in the order in which the rows come. */
export function summarise(rows: readonly StudyRow[]): StudySummary[] {
  const groups = new Map<string, StudyRow[]>()
  for (const row of rows) {
    const key = `${variantKey(row)} ${row.batchSize}`
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()].map((draws) => {
    const [{ method, policy, sampling, bias, batchSize, rank, score }] = draws as [StudyRow]
    const of = (value: (row: StudyRow) => number) => spreadOf(draws.map(value))
    return {
      method,
      policy,
      sampling,
      bias,
      batchSize,
      draws: draws.length,
      top1: of((row) => row.score.top1),
      top5: score.top5 === null ? null : of((row) => row.score.top5!),
      loss: of((row) => row.score.loss),
      calibrationError: of((row) => row.score.calibrationError),
      rank: rank === null ? null : of((row) => row.rank!),
      norm: of((row) => row.normAfter),
      logitChange: of((row) => row.drift.maxLogitChange),
      marginSafeShare: of((row) => row.drift.marginSafeShare),
      onlyBefore: of((row) => row.test.onlyBefore),
      onlyAfter: of((row) => row.test.onlyAfter),
      pValues: {
        smallest: Math.min(...draws.map((row) => row.test.pValue)),
        largest: Math.max(...draws.map((row) => row.test.pValue)),
      },
      significantDraws: draws.filter((row) => row.rolledBack === null && row.test.adjustedPValue < 0.05)
        .length,
      classesCovered: of((row) => row.classesCovered),
      classesUnseen: of((row) => row.unseen?.classes ?? 0),
      identities: draws.filter((row) => row.identity).length,
      undamped: draws.filter((row) => row.lambda === 0).length,
      rolledBack: draws.filter((row) => row.rolledBack !== null).length,
    }
  })
}

/** The same for all rows of one variant. */
export const variantKey = ({ method, policy, sampling, bias }: StudyVariant): string =>
  [method, policy, sampling, bias].join(' ')
