import type { Study, StudyRow, StudySummary } from '../../shift/index.js'
import { figure, fixed, pValue, share, signed, signedPercent, spread, wholeSpread } from '../numbers.js'
import { type Column, type Table, table } from '../table.js'
import { variantName } from './series.js'

/** Table 2 of the paper: before and after, and what tells whether the difference means anything. */
export function accuracyTable(study: Study): Table {
  const { before, validation } = study
  const columns = [
    ...outcomeColumns(study),
    {
      head: 'significant',
      of: ({ significantDraws, draws }: StudySummary) => `${significantDraws} of ${draws}`,
    },
  ]
  const top5 = before.top5 === null ? '' : `top-5 ${fixed(before.top5)} %, `
  const caption = `Before: top-1 ${fixed(before.top1)} %, ${top5}cross-entropy ${fixed(before.loss, 4)}, on ${validation.images} images. After: mean ± standard deviation over the draws. Lost / won: images that only the original, only the shifted model gets right, mean of the draws. p: McNemar’s exact test of each draw by itself, smallest to largest. Significant: draws below 0.05 after Holm’s correction for the ${study.rows.length} shifts of this page.`
  return table(caption, columns, study.summaries.filter(isShift))
}

/** The first variant beside the controls, by batch size. */
export function controlTable(study: Study): Table {
  const [{ policy, sampling, bias }] = study.summaries as [StudySummary]
  const rows = study.batchSizes.flatMap((batchSize) =>
    study.summaries.filter(
      (summary) =>
        summary.batchSize === batchSize &&
        (!isShift(summary) ||
          (summary.policy === policy && summary.sampling === sampling && summary.bias === bias)),
    ),
  )
  const columns: Column<StudySummary>[] = [
    ...outcomeColumns(study),
    { head: '‖V*‖', of: ({ norm }) => spread(norm, 3) },
    {
      head: 'the shift itself (λ = 0)',
      of: (summary) => (summary.method === 'ridge' ? `${summary.undamped} of ${summary.draws}` : '–'),
    },
  ]
  const caption = `Other ways to shrink V, from the same draws: V scaled to the norm of V*; V projected on as many principal directions of all training images here, or on a random subspace of equal rank; ridge regression on the same batch to the same norm, where λ = 0 the shift itself, which is no control. What a control does as well is no merit of the shift. p is not corrected here.`
  return table(caption, columns, rows)
}

function outcomeColumns(study: Study): Column<StudySummary>[] {
  const { before } = study
  return [
    { head: 'b', of: ({ batchSize }) => batchSize },
    { head: 'variant', of: (summary) => variantName(summary, study), words: true },
    { head: 'top-1 (%)', of: ({ top1 }) => spread(top1) },
    { head: 'change', of: ({ top1 }) => signed(top1.mean - before.top1, 3) },
    ...(before.top5 === null
      ? []
      : [
          { head: 'top-5 (%)', of: ({ top5 }: StudySummary) => spread(top5!) },
          { head: 'change', of: ({ top5 }: StudySummary) => signed(top5!.mean - before.top5!, 3) },
        ]),
    { head: 'loss', of: ({ loss }) => spread(loss, 4) },
    {
      head: 'lost / won',
      of: ({ onlyBefore, onlyAfter }) => `${fixed(onlyBefore.mean, 1)} / ${fixed(onlyAfter.mean, 1)}`,
    },
    { head: 'p', of: ({ pValues }) => range(pValue(pValues.smallest), pValue(pValues.largest)) },
  ]
}

/** What each shift did to the layer, and what its batch had seen. */
export function shiftTable(study: Study): Table {
  const columns: Column<StudySummary>[] = [
    { head: 'b', of: ({ batchSize }) => batchSize },
    { head: 'variant', of: (summary) => variantName(summary, study), words: true },
    { head: 'rank', of: ({ rank }) => (rank === null ? '–' : wholeSpread(rank)) },
    { head: '‖V*‖', of: ({ norm }) => spread(norm, 3) },
    { head: 'change', of: ({ norm }) => signedPercent(100 * (norm.mean / study.normBefore - 1)) },
    { head: 'logits moved', of: ({ logitChange }) => spread(logitChange, 3) },
    { head: 'safe by margin', of: ({ marginSafeShare }) => share(marginSafeShare.mean) },
    { head: 'calibration error', of: ({ calibrationError }) => spread(calibrationError, 4) },
    { head: 'classes in batch', of: ({ classesCovered }) => wholeSpread(classesCovered) },
    { head: 'classes unseen', of: ({ classesUnseen }) => wholeSpread(classesUnseen) },
    {
      head: 'identity',
      of: ({ identities, draws }) => (identities === 0 ? 'no' : `${identities} of ${draws}`),
    },
    {
      head: 'rolled back',
      of: ({ rolledBack, draws }) => (rolledBack === 0 ? 'no' : `${rolledBack} of ${draws}`),
    },
  ]
  const caption = `‖V‖ before: ${figure(study.normBefore)}; ${study.inFeatures} inputs. Moved: the largest change of a logit. Safe by margin: images that this cannot give another class. Unseen: classes of the validation images that the batch has no image of. Rolled back: draws whose batch’s own logits move too far or whose norm grows, which \`sos shift\` would not write.`
  return table(caption, columns, study.summaries.filter(isShift))
}

/** Table 4 of the paper: accuracy along the batch sizes. */
export function batchSizeTable(study: Study): Table {
  const shifts = study.summaries.filter(({ method }) => method === 'shift')
  const names = [...new Set(shifts.map((summary) => variantName(summary, study)))]
  const rows = names.map((name) => shifts.filter((summary) => variantName(summary, study) === name))
  const columns: Column<StudySummary[]>[] = [
    { head: 'variant', of: ([first]) => variantName(first!, study), words: true },
    { head: 'before', of: () => fixed(study.before.top1) },
    ...study.batchSizes.map((batchSize) => ({
      head: `b = ${batchSize}`,
      of: (row: StudySummary[]) => spread(row.find((summary) => summary.batchSize === batchSize)!.top1),
    })),
  ]
  return table(
    `Top-1 accuracy (%) along the batch sizes, mean ± standard deviation over the draws.`,
    columns,
    rows,
  )
}

export function drawsTable(study: Study): Table {
  const columns: Column<StudyRow>[] = [
    { head: 'b', of: ({ batchSize }) => batchSize },
    { head: 'seed', of: ({ seed }) => seed },
    { head: 'variant', of: (row) => variantName(row, study), words: true },
    { head: 'rank', of: ({ rank }) => rank ?? '–' },
    { head: '‖V*‖', of: ({ normAfter }) => figure(normAfter) },
    { head: 'batch logits', of: ({ batchLogitChange }) => figure(batchLogitChange, 2) },
    { head: 'top-1 (%)', of: ({ score }) => fixed(score.top1) },
    { head: 'top-5 (%)', of: ({ score }) => (score.top5 === null ? '–' : fixed(score.top5)) },
    { head: 'lost / won', of: ({ test }) => `${test.onlyBefore} / ${test.onlyAfter}` },
    { head: 'p', of: ({ test }) => pValue(test.pValue) },
    { head: 'p, Holm', of: ({ test, method }) => (method === 'shift' ? pValue(test.adjustedPValue) : '–') },
    {
      head: 'unseen: before → after (%)',
      of: ({ unseen }) =>
        unseen === null ? '–' : `${fixed(unseen.top1Before, 1)} → ${fixed(unseen.top1After, 1)}`,
    },
    { head: 'notes', of: ({ warnings }) => warnings.join('; '), words: true },
  ]
  return table(`Every draw by itself. Each starts from the original V.`, columns, [
    ...study.rows,
    ...study.controls,
  ])
}

const isShift = ({ method }: StudySummary): boolean => method === 'shift'
const range = (low: string, high: string): string => (low === high ? low : `${low} – ${high}`)
