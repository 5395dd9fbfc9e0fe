import type { Study } from '../shift/study-record.js'
import { accuracyFigure, normFigure, pairedFigure } from './batch-size-figures.js'
import { driftFigure, reliabilityFigure, spectrumFigure } from './detail-figures.js'
import { Html, html } from './html.js'
import { htmlTable } from './html-table.js'
import { pageStyle } from './page-style.js'
import { studyFindings } from './study-findings.js'
import { accuracyTable, batchSizeTable, controlTable, drawsTable, shiftTable } from './study-tables.js'
import { draughtsman } from './svg.js'

/**
 * A study as one HTML page: findings in words, figures as SVG, the tables. It has no scripts and fetches nothing, which its
 * content security policy enforces.
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
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Optimum shifting of ${name}</title>
<style>${new Html(pageStyle)}</style>
</head>
<body>
<header>
<h1>Optimum shifting of ${name}</h1>
<dl>
<dt>model</dt><dd>${model}</dd>
<dt>layer</dt><dd>${layer === '' ? 'the model itself' : layer}, ${study.inFeatures} inputs, ${study.classes} outputs</dd>
<dt>batches from</dt><dd>${train.dataset}</dd>
<dt>validated on</dt><dd>${validation.dataset}, ${validation.images} images</dd>
<dt>batch sizes</dt><dd>${study.batchSizes.join(', ')}</dd>
<dt>draws of each</dt><dd>${study.seeds.length} (seeds ${study.seeds.join(', ')})</dd>
</dl>
</header>
<main>
<h2>Findings</h2>
<ul class="findings">${studyFindings(study).map((sentence) => html`<li>${sentence}</li>`)}</ul>
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
another. The validation images chose nothing here: to take the best row of this page as a result would be to choose by them.</p>
</main>
<footer>All numbers: study.json beside this page. Made by optimum-shifting; Zhou et al., “Improving Generalization of Deep Neural Networks by Optimum Shifting”.</footer>
</body>
</html>
`
  return page.toString()
}
