import type { Study, StudyRow, StudySummary, StudyVariant } from '../../shift/index.js'
import { colourOf } from '../framed.js'

/** The rows of one variant over all batch sizes, as one line of a figure. */
export interface Series {
  readonly name: string
  /** A colour of the page's style sheet, so that it follows light and dark. */
  readonly colour: string
  readonly control: boolean
  readonly rows: readonly StudyRow[]
  readonly summaries: readonly StudySummary[]
}

/** The shifts in the order of the study, then the controls. */
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

/** What tells a variant from the others of its study: a setting that all share is left out. */
export function variantName(variant: StudyVariant, study: Study): string {
  if (variant.method !== 'shift') return controlNames[variant.method]
  const settings = [variant.policy]
  if (new Set(study.rows.map((row) => row.sampling)).size > 1) settings.push(variant.sampling)
  if (new Set(study.rows.map((row) => row.bias)).size > 1) settings.push(`bias ${variant.bias}`)
  return settings.join(', ')
}
