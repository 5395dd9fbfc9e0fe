import type { Study, StudyRow, StudySummary, StudyVariant } from '../../shift/index.js'
import { colourOf } from '../framed.js'

/** One variant over all batch sizes, which is one line of a figure. */
export interface Series {
  readonly name: string
  /** A colour of the page's style sheet, which follows the reader's choice of light or dark. */
  readonly colour: string
  readonly control: boolean
  readonly rows: readonly StudyRow[]
  readonly summaries: readonly StudySummary[]
}

/** The series of a study: the shifts in the study's order, then the controls. */
export function seriesOf(study: Study): Series[] {
  const names = [...new Set(study.summaries.map((summary) => variantName(summary, study)))]
  const rows = [...study.rows, ...study.controls]
  return names.map((name, i) => {
    const summaries = study.summaries.filter((summary) => variantName(summary, study) === name)
    return {
      name,
      colour: colourOf(i),
      control: summaries[0]!.method !== 'shift',
      rows: rows.filter((row) => variantName(row, study) === name),
      summaries,
    }
  })
}

const controlNames = {
  shrink: 'uniform shrink',
  pca: 'principal directions',
  random: 'random subspace',
  ridge: 'ridge',
}

/** The name of a variant: the settings in which the variants of the study differ. */
export function variantName(variant: StudyVariant, study: Study): string {
  if (variant.method !== 'shift') return controlNames[variant.method]
  const settings = [variant.policy]
  if (new Set(study.rows.map((row) => row.sampling)).size > 1) settings.push(variant.sampling)
  if (new Set(study.rows.map((row) => row.bias)).size > 1) settings.push(`bias ${variant.bias}`)
  return settings.join(', ')
}
