import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseHTML } from 'linkedom'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { idxFolder, preprocessOf, runStudy, ScriptModule, writeStudyReport } from '../../../src/index.js'
import { studyFindings, studyPage } from '../../../src/report/index.js'
import type { Study } from '../../../src/shift/index.js'

import { browse, chromium } from '../../support/chromium.js'
import { demoModel, fashionMnist, temporaryFolder } from '../../support/paths.js'

const figures = ['accuracy', 'norm', 'paired', 'drift', 'spectrum', 'reliability']

let study: Study
let folder: string
let markup: string
beforeAll(async () => {
  const model = await ScriptModule.load(demoModel)
  const recipe = preprocessOf(model)
  const [train, test] = await Promise.all(
    (['train', 'test'] as const).map((split) => idxFolder(fashionMnist, split, recipe)),
  )
  study = await runStudy(model, train!, test!, {
    batchSizes: [20, 50],
    draws: 3,
    samplings: ['stratified', 'uniform'],
    controls: true,
    limit: 500,
  })
  folder = join(temporaryFolder(), 'report')
  await writeStudyReport(study, folder)
  markup = readFileSync(join(folder, 'index.html'), 'utf8')
})

const pageOf = (text: string) => parseHTML(text).document
const textOf = (id: string) => pageOf(markup).getElementById(id)!.textContent!.replace(/\s+/g, ' ')

describe('writeStudyReport', () => {
  it('writes the page and the whole study, and nothing else', async () => {
    expect(readdirSync(folder).sort()).toEqual(['index.html', 'study.json'])
    expect(JSON.parse(readFileSync(join(folder, 'study.json'), 'utf8'))).toEqual(study)
    writeFileSync(join(folder, 'index.html'), 'an older page')
    await writeStudyReport(study, folder)
    expect(readFileSync(join(folder, 'index.html'), 'utf8')).toBe(markup)
  })

  it('says where it cannot write', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    await expect(writeStudyReport(study, file)).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_OUTPUT' }),
    )
    const taken = temporaryFolder()
    mkdirSync(join(taken, 'index.html'))
    await expect(writeStudyReport(study, taken)).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_OUTPUT' }),
    )
  })
})

describe('the page', () => {
  it('has every figure as SVG with an alternative text and a caption', () => {
    const document = pageOf(markup)
    expect([...document.querySelectorAll('figure:not(.table)')].map(({ id }) => id)).toEqual(figures)
    for (const id of figures) {
      const figure = document.getElementById(id)!
      const svg = figure.querySelector('svg')!
      expect(svg.getAttribute('role')).toBe('img')
      expect(svg.getAttribute('aria-label')!.length).toBeGreaterThan(40)
      expect(svg.querySelectorAll('path, circle, line').length).toBeGreaterThan(5)
      expect(figure.querySelector('figcaption')!.textContent!.length).toBeGreaterThan(40)
    }
  })

  it('draws each draw at its place', () => {
    const svg = pageOf(markup).getElementById('accuracy')!.querySelector('svg')!
    // Shifts: 2 sizes, 2 samplings, 3 draws; each series has its means and its draws, controls off the scale have none.
    const shown = pageOf(markup).getElementById('accuracy')!.querySelectorAll('.key li').length - 1
    expect(svg.querySelectorAll('circle')).toHaveLength(shown * (2 + 6))
    const path = pageOf(markup).getElementById('drift')!
    expect(path.querySelectorAll('circle')).toHaveLength(2 * 300)
  })

  it('has the numbers of the study in its tables', () => {
    const document = pageOf(markup)
    const tables = [...document.querySelectorAll('table')]
    const rows = (at: number) => tables[at]!.querySelectorAll('tbody tr').length
    expect(tables.map((_, at) => rows(at))).toEqual([4, 2, 2 * 5, 4, 12 + 24])
    const [first] = study.summaries
    const cells = [...tables[0]!.querySelector('tbody tr')!.children].map((cell) => cell.textContent)
    expect(cells[0]).toBe('20')
    expect(cells[2]).toBe(`${first!.top1.mean.toFixed(2)} ± ${first!.top1.sd!.toFixed(2)}`)
    for (const table of tables) {
      expect(table.closest('figure')!.querySelector('figcaption')!.textContent!.length).toBeGreaterThan(30)
      const columns = table.querySelectorAll('thead th[scope=col]').length
      for (const row of table.querySelectorAll('tbody tr')) {
        expect(row.children).toHaveLength(columns)
        expect(row.querySelectorAll('th[scope=row]')).toHaveLength(1)
      }
    }
  })

  it('fetches nothing, runs nothing, and shows no NaN or infinity', () => {
    expect(markup).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|\son\w+=/i)
    expect(markup).not.toMatch(/https?:/)
    expect(markup).not.toMatch(/NaN|undefined|Infinity|\[object/)
  })

  it('escapes the names that come from outside', async () => {
    const name = `<img src=x onerror="alert('1')">&amp;`
    const hostile = {
      ...study,
      model: name,
      layer: name,
      train: { ...study.train, dataset: name },
      validation: { ...study.validation, dataset: name },
    }
    const page = await studyPage(hostile)
    expect(page).not.toContain('<img')
    const dd = [...pageOf(page).querySelectorAll('dd')].map((one) => one.textContent)
    expect(dd.filter((text) => text!.startsWith(name))).toHaveLength(4)
  })

  it('does with one draw, one size, fewer than five classes, no controls and no singular values', async () => {
    const small: Study = {
      ...study,
      before: { ...study.before, top5: null },
      batchSizes: [20],
      seeds: [0],
      rows: study.rows.slice(0, 1),
      controls: [],
      summaries: study.summaries.slice(0, 1).map((one) => ({
        ...one,
        draws: 1,
        top1: { mean: one.top1.mean, sd: null },
        top5: null,
      })),
      spectra: [],
      paths: [],
    }
    const page = await studyPage(small)
    expect(page).not.toMatch(
      /NaN|undefined|Infinity|\[object|top-5 \(%\)<\/th><th scope="col" class="number">change/,
    )
    expect(studyFindings(small).join(' ')).toContain('one draw, so the spread between draws is unknown')
  })
})

describe('studyFindings', () => {
  const withTest = (test: Partial<Study['rows'][number]['test']>) => ({
    ...study,
    rows: study.rows.map((row) => ({ ...row, test: { ...row.test, ...test } })),
  })

  it('calls a difference significant only after the correction', () => {
    const significant = withTest({ pValue: 1e-6, adjustedPValue: 1e-4, onlyBefore: 9, onlyAfter: 1 })
    expect(studyFindings(significant)[0]).toContain('significantly in 12 of 12 shifts')
    expect(studyFindings(significant)[0]).toContain('better in 0, worse in 12')
    const lucky = withTest({ pValue: 0.02, adjustedPValue: 0.3 })
    expect(studyFindings(lucky)[0]).toContain('No difference in top-1 accuracy is significant')
    expect(studyFindings(lucky)[0]).toContain('uncorrected p is 0.02')
  })

  it('reports identities, classes without an image, corrupt images and controls', () => {
    const told = studyFindings({
      ...study,
      rows: study.rows.map((row) => ({ ...row, identity: true })),
      validation: { ...study.validation, skipped: 1 },
    }).join('\n')
    expect(told).toContain('12 of 12 shifts (b = 20, 50) are the identity')
    expect(told).toContain('0 training images and 1 validation image could not be read')
    expect(told).toMatch(/batches hold no image of some classes \(up to \d\)/)
    expect(told).toMatch(/above that of every control at \d of 2 batch sizes/)
  })
})

describe.skipIf(chromium === undefined)('in a browser', () => {
  it('renders without an error or a refused request', async () => {
    const { stdout, console } = await browse(join(folder, 'index.html'), '--dump-dom')
    expect(console).toEqual([])
    const document = pageOf(stdout)
    expect(document.querySelectorAll('figure svg')).toHaveLength(figures.length)
    expect(document.querySelectorAll('table')).toHaveLength(5)
    expect(textOf('accuracy')).toContain('Accuracy.')
  })

  it('is light, and dark if the reader wants it so', async () => {
    const corner = async (...flags: string[]) => {
      const path = join(temporaryFolder(), 'page.png')
      await browse(join(folder, 'index.html'), '--window-size=1240,1800', ...flags, `--screenshot=${path}`)
      const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true })
      expect([info.width, info.height]).toEqual([1240, 1800])
      // Text and lines must stand out of the paper: many pixels far from the corner's.
      let far = 0
      for (let i = 0; i < data.length; i += 3) if (Math.abs(data[i]! - data[0]!) > 96) far++
      return { paper: data[0]!, inked: far / (data.length / 3) }
    }
    const light = await corner()
    expect(light.paper).toBeGreaterThan(240)
    expect(light.inked).toBeGreaterThan(0.02)
    const dark = await corner('--blink-settings=preferredColorScheme=0')
    expect(dark.paper).toBeLessThan(40)
    expect(dark.inked).toBeGreaterThan(0.02)
  })

  it('prints', async () => {
    const path = join(temporaryFolder(), 'page.pdf')
    const { console } = await browse(join(folder, 'index.html'), `--print-to-pdf=${path}`)
    expect(console).toEqual([])
    expect(readFileSync(path).subarray(0, 5).toString()).toBe('%PDF-')
  })
})
