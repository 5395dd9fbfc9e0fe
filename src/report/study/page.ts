import type { Study } from '../../shift/index.js'
import { html } from '../html.js'
import { htmlTable, page } from '../page.js'
import { draughtsman } from '../svg.js'
import { accuracyFigure, normFigure, pairedFigure } from './batch-size-figures.js'
import { driftFigure, reliabilityFigure, spectrumFigure } from './detail-figures.js'
import { studyFindings } from './findings.js'
import { accuracyTable, batchSizeTable, controlTable, drawsTable, shiftTable } from './tables.js'

/**
 * Makes one HTML page of a study: findings in sentences, tables, and figures as SVG. The page needs no other file and no network.
 *
 * @param study the result of `runStudy`, or an old `study.json`, parsed
 * @returns the markup
 * @example
 * const study = await runStudy(model, train, test, { batchSizes: [30], draws: 2 })
 * const markup = await studyPage(study)
 * console.log(markup.slice(0, 15)) // → <!doctype html>
 */
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
  const main = html`<h2>Before and after</h2>
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
logits. Only the logits of the batch stay. Those of other images move, which can do good or harm.</p>
<p>The standard deviation is that between draws of the batch. It does not include the choice of the validation images. McNemar’s test
does, on the images that one model gets right and the other wrong. The draws share their validation images, so their tests are not independent.</p>
<p>The validation images were not used to choose anything here. Do not report the best row of this page as a result: that would be a choice by
the validation images.</p>`
  return page({
    title: `Optimum shifting of ${name}`,
    findings: studyFindings(study),
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
    footer: 'All numbers are in study.json beside this page.',
  })
}
