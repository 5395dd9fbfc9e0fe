import type { Study, StudyRow, StudySummary } from '../../shift/index.js'
import { figure, fixed, pValue, share, signed, signedPercent, spread, wholeSpread } from '../numbers.js'
import { type Column, type Table, table } from '../table.js'
import { variantName } from './series.js'

/**
 * Makes the table of accuracy and loss before and after the shifts, with McNemar's test: Table 2 of the paper.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @returns the table, with a row for each batch size and variant
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * console.log(accuracyTable(study).rows[0])
 */
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
  const caption = `Before: top-1 ${fixed(before.top1)} %, ${top5}cross-entropy ${fixed(before.loss, 4)}, on ${validation.images} images. After: mean ± standard deviation over the draws. Lost / won: images that only the original model gets right, and images that only the shifted model gets right, mean over the draws. p: McNemar’s exact test of each draw, from the smallest to the largest. Significant: draws with p below 0.05 after Holm’s correction for the ${study.rows.length} shifts of this page.`
  return table(caption, columns, study.summaries.filter(isShift))
}

/**
 * Makes the table that compares the first variant with the controls, by batch size. It has no rows of controls if the study has none.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @returns the table, with a row for each batch size and variant
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2, controls: true })
 * console.log(controlTable(study).rows[0])
 */
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
  const caption = `Other ways to shrink V, from the same draws: V scaled to the norm of V*; V projected on as many principal directions of all training images of this page, or on a random subspace of equal rank; ridge regression on the same batch to the same norm, which with λ = 0 is the shift itself and no control. What a control does as well is not a merit of the shift. These p-values are not corrected.`
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

/**
 * Makes the table of what each shift did to the layer, and which classes its batch held.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @returns the table, with a row for each batch size and variant
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * console.log(shiftTable(study).rows[0])
 */
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
  const caption = `‖V‖ before: ${figure(study.normBefore)}; ${study.inFeatures} inputs. Logits moved: the largest change of a logit of the validation images. Safe by margin: the share of images whose class this change cannot alter. Classes unseen: classes of the validation images without an image in the batch. Rolled back: draws whose batch logits move too far or whose norm grows, which \`sos shift\` would not write.`
  return table(caption, columns, study.summaries.filter(isShift))
}

/**
 * Makes the table of accuracy by batch size: Table 4 of the paper.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @returns the table, with a row for each variant and a column for each batch size
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * console.log(batchSizeTable(study).rows[0])
 */
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
  return table(`Top-1 accuracy (%) by batch size, mean ± standard deviation over the draws.`, columns, rows)
}

/**
 * Makes the table of every single draw, with the notes on it.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @returns the table, with a row for each draw, those of controls last
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * console.log(drawsTable(study).rows[0])
 */
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
  return table(`Every draw. Each starts from the original V.`, columns, [...study.rows, ...study.controls])
}

const isShift = ({ method }: StudySummary): boolean => method === 'shift'
const range = (low: string, high: string): string => (low === high ? low : `${low} – ${high}`)
