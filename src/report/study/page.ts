import type { Study } from '../../shift/index.js'
import { html } from '../html.js'
import { htmlTable } from '../html-table.js'
import { findingsList, page } from '../page.js'
import { draughtsman } from '../svg.js'
import { accuracyFigure, normFigure, pairedFigure } from './batch-size-figures.js'
import { driftFigure, reliabilityFigure, spectrumFigure } from './detail-figures.js'
import { studyFindings } from './findings.js'
import { accuracyTable, batchSizeTable, controlTable, drawsTable, shiftTable } from './tables.js'

/** A study as one HTML page: findings in words, figures as SVG, the tables. */
export async function studyPage(study: Study): Promise<string> {
  const hand = await draughtsman()
  const figures = [
    accuracyFigure,
    normFigure,
    pairedFigure,
    driftFigure,
    spectrumFigure,
    reliabilityFigure,
  ].map((figure) => figure(study, hand))
  const { model, layer, train, validation } = study
  const name = model.split('/').at(-1)!
  const main = html`<h2>Findings</h2>
${findingsList(studyFindings(study))}
<h2>Before and after</h2>
${htmlTable(accuracyTable(study))}
<h2>Batch size</h2>
${htmlTable(batchSizeTable(study))}
<h2>Figures</h2>
<div class="figures">${figures}</div>
${study.controls.length === 0 ? '' : html`<h2>Controls</h2>\n${htmlTable(controlTable(study))}`}
<h2>What was shifted</h2>
${htmlTable(shiftTable(study))}
<h2>Every draw</h2>
${htmlTable(drawsTable(study))}
<h2>How to read this</h2>
<p>Optimum shifting replaces the weight V of a layer by the V* of least norm that gives a batch of training images the same
logits. Only the batch’s own logits stay; those of other images move, which can do good or harm. The standard deviation is that
between draws of the batch. It says nothing of the choice of validation images: McNemar’s test does, on the images that one
model gets right and the other wrong. The draws share their validation images, so their tests are not independent of one
another. The validation images chose nothing here: to take the best row of this page as a result would be to choose by them.</p>`
  return page({
    title: `Optimum shifting of ${name}`,
    facts: [
      ['model', model],
      [
        'layer',
        `${layer === '' ? 'the model itself' : layer}, ${study.inFeatures} inputs, ${study.classes} outputs`,
      ],
      ['batches from', train.dataset],
      ['validated on', `${validation.dataset}, ${validation.images} images`],
      ['batch sizes', study.batchSizes.join(', ')],
      ['draws of each', `${study.seeds.length} (seeds ${study.seeds.join(', ')})`],
    ],
    main,
    footer: 'All numbers: study.json beside this page.',
  })
}
