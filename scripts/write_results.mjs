/**
 * Makes the figures and tables of docs/results.md from the raw records of a training: `write_results.mjs [--check]`.
 *
 * `docs/results/NAME/` has a file `SCHEME-seedN.jsonl` for each run, which is the `run.jsonl` of `sos train`. The figures are
 * written into the same folder. A folder with files `NAME.plane.jsonl`, each the `landscape.json` of `sos landscape --compare` in one
 * line, has a table of them and maps of the first one instead. A folder with files `NAME.trace.jsonl` and `NAME.spectrum.jsonl`, each what `sos sharpness --compare
 * --json` prints in one line, has tables of both and a figure of the first spectrum. The parts of the page between `<!-- NAME: TABLE -->` and `<!-- end -->` are replaced. With
 * `--check` nothing is written, and the exit code is 1 if anything would change.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { readSharpnessRecord, summariseTraining } from '../dist/report/index.js'
import { contourDrawing, entriesOf } from '../dist/report/landscape/contours.js'
import { surfacesIn } from '../dist/report/landscape/document.js'
import { levelsOf } from '../dist/report/landscape/levels.js'
import { planesTable } from '../dist/report/landscape/planes-table.js'
import { colours } from '../dist/report/page-style.js'
import { comparedSpectra, comparedTraces } from '../dist/report/sharpness/comparisons.js'
import { eigenvalueDrawing, spectraOf } from '../dist/report/sharpness/eigenvalue-figure.js'
import { draughtsman } from '../dist/report/svg.js'
import { trainingDrawings } from '../dist/report/training/figures.js'
import { trainingFindings } from '../dist/report/training/findings.js'
import * as tables from '../dist/report/training/tables.js'
import { readRunRecord, trainingSchemes } from '../dist/train/index.js'

const docs = fileURLToPath(new URL('../docs/', import.meta.url))

const blocks = {
  schemes: (training) => markdown(tables.schemeTable(training)),
  probes: (training) => markdown(tables.probeTable(training)),
  shifts: (training) => markdown(tables.trainingShiftTable(training)),
  runs: (training) => markdown(tables.runTable(training)),
  findings: (training) =>
    trainingFindings(training)
      .map((sentence) => `- ${sentence}`)
      .join('\n'),
}

/** The contents that the page and the files of `docs/results` should have, by their paths. */
export async function results() {
  const files = new Map()
  const page = join(docs, 'results.md')
  let text = readFileSync(page, 'utf8')
  for (const name of readdirSync(join(docs, 'results'))) {
    const folder = join(docs, 'results', name)
    const planes = readdirSync(folder).filter((file) => file.endsWith('.plane.jsonl'))
    if (planes.length > 0) {
      const landscapes = planes.map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')))
      text = withBlock(text, name, 'planes', markdown(planesTable(landscapes)))
      for (const [part, svg] of Object.entries(await mapsOf(landscapes[0]))) {
        files.set(join(folder, `${part}.svg`), svg)
      }
      continue
    }
    const [traces, spectra] = [await readSharpness(folder, 'trace'), await readSharpness(folder, 'spectrum')]
    if (traces.length > 0) text = withBlock(text, name, 'traces', markdown(comparedTraces(traces)))
    if (spectra.length > 0) {
      text = withBlock(text, name, 'spectra', markdown(comparedSpectra(spectra)))
      const [first] = spectra
      const drawing = { svg: eigenvalueDrawing(first, await draughtsman()), curves: spectraOf(first) }
      files.set(join(folder, 'eigenvalues.svg'), standalone(drawing))
    }
    if (traces.length + spectra.length > 0) continue
    const runs = await readRuns(folder)
    const training = summariseTraining(runs)
    for (const drawing of trainingDrawings(runs, await draughtsman())) {
      files.set(join(folder, `${drawing.id}.svg`), standalone(drawing))
    }
    for (const [block, write] of Object.entries(blocks)) {
      text = withBlock(text, name, block, write(training))
    }
  }
  return files.set(page, text)
}

/** The page with what a block is to contain. */
function withBlock(text, name, block, content) {
  const place = new RegExp(`(<!-- ${name}: ${block} -->\n)(?:(?!<!-- end -->)[^])*(<!-- end -->)`)
  if (!place.test(text)) throw new Error(`docs/results.md has no place <!-- ${name}: ${block} -->`)
  return text.replace(place, (_, before, after) => `${before}\n${content}\n\n${after}`)
}

/** The maps of both models, with the same levels. Plot numbers what it clips with; a file has one map. */
async function mapsOf(landscape) {
  const hand = await draughtsman()
  const surfaces = surfacesIn(landscape)
  const levels = levelsOf(surfaces)
  const maps = surfaces.map((surface) => {
    const svg = String(contourDrawing(landscape, surface, levels, hand)).replace(/plot-clip-\d+/g, 'clip')
    return standalone({ svg, curves: entriesOf(levels), keyHeight: 46, perRow: 4 })
  })
  return { before: maps[0], after: maps[1] }
}

/** The records of a kind in a folder, in the order of their names. */
async function readSharpness(folder, kind) {
  const files = readdirSync(folder).filter((file) => file.endsWith(`.${kind}.jsonl`))
  return await Promise.all(files.sort().map((file) => readSharpnessRecord(join(folder, file))))
}

/** Sorts runs by scheme, in the usual order, and then by seed. */
async function readRuns(folder) {
  const runs = []
  for (const file of readdirSync(folder)) {
    const [, scheme, seed] = /^(.+)-seed(\d+)\.jsonl$/.exec(file) ?? []
    if (scheme === undefined) continue
    runs.push({ scheme, seed: Number(seed), lines: await readRunRecord(join(folder, file)) })
  }
  return runs.sort(
    (a, b) => trainingSchemes.indexOf(a.scheme) - trainingSchemes.indexOf(b.scheme) || a.seed - b.seed,
  )
}

/** A table in GitHub's Markdown, with its caption below. */
function markdown({ caption, head, rows }) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  const ruler = head.map(({ words }) => (words ? '---' : '---:'))
  return [line(head.map(({ text }) => text)), line(ruler), ...rows.map(line), '', caption].join('\n')
}

/** A drawing as a separate SVG file, with the page's colours, and with its key above it. */
function standalone({ svg, curves, perRow = curves.length, keyHeight = 28 }) {
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(String(svg)).map(Number)
  const [told] = /aria-label="[^"]*"/.exec(String(svg))
  const top = keyHeight
  const step = Math.min(110, (width - 60) / perRow)
  const key = curves.map(({ name, colour, control }, i) => {
    const x = 52 + (i % perRow) * step
    const y = 14 + 18 * Math.floor(i / perRow)
    const dashes = control ? ' stroke-dasharray="6 3"' : ''
    return `<line x1="${x}" x2="${x + 24}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2"${dashes}/><text x="${x + 30}" y="${y + 4}">${name}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" role="img" ${told} width="${width}" height="${height + top}" viewBox="0 0 ${width} ${height + top}">
<style>${colours}
svg { color: var(--ink); --plot-background: var(--panel); }
text { fill: var(--ink); font: 12px system-ui, sans-serif; }</style>
<rect width="100%" height="100%" fill="var(--panel)"/>
${key.join('\n')}
${String(svg).replace('<svg', `<svg y="${top}"`)}
</svg>
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes('--check')
  for (const [path, text] of await results()) {
    const before = existsSync(path) ? readFileSync(path, 'utf8') : null
    if (before === text) continue
    if (check) process.exitCode = 1
    else writeFileSync(path, text)
    console.log(`${check ? 'would change' : 'written'}: ${path}`)
  }
}
