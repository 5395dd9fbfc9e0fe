import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import {
  type LandscapeDocument,
  type LossLineDocument,
  landscapeDocument,
  landscapeFindings,
  landscapePage,
  lossLineFindings,
  lossLinePage,
  writeLandscapeReport,
} from '../../../src/report/index.js'
import { planesTable } from '../../../src/report/landscape/planes-table.js'
import { browse, chromium } from '../../support/chromium.js'
import { temporaryFolder } from '../../support/paths.js'

const axis = (count: number) => Array.from({ length: count }, (_, i) => (2 * i) / (count - 1) - 1)
const surface = (count: number, of: (x: number, y: number) => number | null) => {
  const loss = axis(count).map((y) => axis(count).map((x) => of(x, y)))
  const accuracy = loss.map((row) => row.map((value) => (value === null ? null : 100 / (1 + value))))
  return { loss, accuracy, centre: { loss: of(0, 0), accuracy: 90 } }
}
const bowl = (x: number, y: number) => 0.5 + 4 * (x * x + y * y)
const flatter = (x: number, y: number) => 0.5 + 2 * (x * x + y * y)

const settings = {
  normalize: 'filter',
  ignore: 'biasbn',
  seed: 3,
  samples: 64,
  indices: [],
  moved: 12345,
} as const
const documentOf = (
  count = 25,
  second: ((x: number, y: number) => number | null) | null = flatter,
): LandscapeDocument => {
  const surfaces = [surface(count, bowl), ...(second === null ? [] : [surface(count, second)])]
  const models = ['nets/a <b>.pt', ...(second === null ? [] : ['nets/after.pt'])]
  const found = { x: axis(count), y: axis(count), surfaces, ...settings }
  return landscapeDocument(found, { models, dataset: 'Made up' })
}
const t = [-0.5, 0, 0.5, 1, 1.5]
const line: LossLineDocument = {
  ...{ version: 1, dataset: 'Made up', model: 'a.pt', between: 'b.pt', seed: 0, samples: 8, t },
  loss: [3, 1, 2.5, 0.5, null],
  accuracy: [50, 90, 60, 95, null],
  ends: [
    { loss: 1, accuracy: 90 },
    { loss: 0.5, accuracy: 95 },
  ],
  sharedFeatures: false,
}

const pageOf = (text: string) => parseHTML(text).document
const figuresOf = (markup: string) => [...pageOf(markup).querySelectorAll('figure')].map(({ id }) => id)
/** What a number that is none looks like; the findings say NaN where a loss is NaN. */
const noNumber = /NaN(?! or infinite)|undefined|Infinity|\[object/
/** Plot numbers what it clips with over all pages. */
const unnumbered = (markup: string) => markup.replace(/plot-clip-\d+/g, 'plot-clip')

describe('the page of a landscape', () => {
  it('has a map, a surface and sections of both models, and no other file', async () => {
    const markup = await landscapePage(documentOf())
    expect(figuresOf(markup)).toEqual([
      ...['map-first', 'map-second', 'surface-first', 'surface-second', 'section-x', 'section-y'],
    ])
    expect(markup).not.toMatch(noNumber)
    expect(markup).not.toMatch(/<script|<img|https?:\/\/(?!www.w3.org)/)
    expect(markup).toContain('a &lt;b&gt;.pt')
    expect(markup).not.toContain('a <b>.pt')
    const alts = [...pageOf(markup).querySelectorAll('figure svg')].map((svg) =>
      svg.getAttribute('aria-label'),
    )
    expect(alts[0]).toContain(
      '0.5 at the weights, from 0.5 to 8.5 on the plane, 8.5, 8.5, 8.5, 8.5 at its corners',
    )
    expect(alts[4]).toContain('after.pt: 2.5 at −1, 0.5 at 0, 2.5 at 1.')
  })

  it('draws the levels where the losses are, and the same ones for both models', async () => {
    const document = pageOf(await landscapePage(documentOf(41)))
    // What Plot leaves for the map of 460 × 460: 60 at the left, 20 at the right, 36 above, 44 below.
    const x = (u: number) => (2 * (u - 60)) / 380 - 1
    const y = (v: number) => 1 - (2 * (v - 36)) / 380
    const keys = ['map-first', 'map-second'].map((id) =>
      [...document.getElementById(id)!.querySelectorAll('.key li')].map((key) => key.textContent),
    )
    expect(keys[0]).toEqual(keys[1])
    const thresholds = keys[0]!.slice(1).map((name) => Number(name!.split(' ')[0]))
    expect(thresholds).toEqual([0.7, 1, 1.5, 2, 3, 5, 7])
    for (const [id, of] of [
      ['map-first', bowl],
      ['map-second', flatter],
    ] as const) {
      const paths = [...document.getElementById(id)!.querySelectorAll('g[aria-label=contour] path')]
      paths.forEach((path, i) => {
        const outline = path.getAttribute('d') ?? '' // nothing, if no loss is so high
        const points = [...outline.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, u, v]) => [
          x(Number(u)),
          y(Number(v)),
        ])
        const inside = points.filter(([a, b]) => Math.abs(a!) < 0.97 && Math.abs(b!) < 0.97)
        const threshold = thresholds[i]!
        for (const [a, b] of inside) expect(Math.abs(of(a!, b!) / threshold - 1)).toBeLessThan(0.03)
        if (threshold < 4) expect(inside.length).toBeGreaterThan(10)
      })
    }
  })

  it('draws a patch between each four points, and fewer for a fine grid', async () => {
    const patches = (markup: string, id: string) =>
      pageOf(markup).getElementById(id)!.querySelectorAll('g path').length
    expect(patches(await landscapePage(documentOf(9)), 'surface-first')).toBe(64)
    expect(patches(await landscapePage(documentOf(101)), 'surface-second')).toBe(32 * 32)
  })

  it('shows one model alone, a small grid, an even grid, and losses that are no numbers', async () => {
    expect(figuresOf(await landscapePage(documentOf(9, null)))).toEqual([
      ...['map-first', 'surface-first', 'section-x', 'section-y'],
    ])
    const small = await landscapePage(documentOf(2))
    expect(figuresOf(small)).toEqual([])
    expect(small).toContain('too small for a figure')
    expect(figuresOf(await landscapePage(documentOf(4)))).toHaveLength(4)
    const one = { ...documentOf(3), x: [0], y: [0], loss: [[0.5]], accuracy: [[90]] }
    expect(await landscapePage({ ...one, compare: undefined } as never)).not.toMatch(noNumber)
    const holes = await landscapePage(documentOf(9, (a, b) => (a > 0.8 ? null : flatter(a, b))))
    expect(holes).not.toMatch(noNumber)
    expect(holes).toContain('The loss is NaN or infinite at 0 and 9 of 81 points')
    const none = await landscapePage(documentOf(5, () => null))
    expect(none).not.toMatch(noNumber)
    const level = await landscapePage(documentOf(5, () => 2))
    expect(level).not.toMatch(noNumber)
  })

  it('takes a grid of more points than a call takes arguments', async () => {
    const markup = await landscapePage(documentOf(401))
    expect(markup).not.toMatch(noNumber)
    expect(figuresOf(markup)).toHaveLength(6)
    expect(markup.length).toBeLessThan(2 ** 22)
  })

  it('says what the numbers say', () => {
    const sentences = landscapeFindings(documentOf(3))
    // The squares of the distances of the nine points add up to 12: rises of 4 · 12/9 and 2 · 12/9.
    expect(sentences[2]).toContain(
      'on average 5.333 higher than at the weights for a <b>.pt, and 2.667 higher',
    )
    expect(sentences[3]).toContain(
      'after.pt has the lower loss at 8 of 9 points (88.9 %); the mean difference is −2.667',
    )
    expect(sentences.at(-1)).toContain('12,345 dimensions')
  })

  it('puts several planes into a table', () => {
    const { rows } = planesTable([documentOf(3), documentOf(3, null)])
    expect(rows).toEqual([
      [...['a <b>.pt → after.pt', '3', '3 × 3', '64', '0.5 → 0.5'], ...['5.333 → 2.667', '88.9 %', '−2.667']],
    ])
  })

  it('refuses names that do not fit', () => {
    const found = { x: [0], y: [0], surfaces: [surface(3, bowl)], ...settings }
    expect(() => landscapeDocument(found, { models: ['a', 'b'], dataset: '' })).toThrow(
      '2 names for 1 surfaces',
    )
  })
})

describe('the page of a line', () => {
  it('has loss and accuracy, and says how high the barrier is', async () => {
    const markup = await lossLinePage(line)
    expect(figuresOf(markup)).toEqual(['line-loss', 'line-accuracy'])
    expect(markup).not.toMatch(noNumber)
    expect(lossLineFindings(line)[2]).toBe(
      'Between them the loss rises to 2.5, at t = 0.50: a barrier of 1.5 above the higher end.',
    )
    expect(lossLineFindings(line)[3]).toContain('NaN or infinite at 1 of 5 points')
    const falling = { ...line, loss: [2, 1, 0.7, 0.5, 0.4] }
    expect(lossLineFindings(falling)[2]).toContain('nowhere above the higher of the two ends')
  })

  it('does not blow rounding up to the height of a figure', async () => {
    const loss = [1, 1 + 1e-9, 1, 1 - 1e-9, 1]
    const markup = await lossLinePage({ ...line, loss, accuracy: [90, 90, 90, 90, 90] })
    const path = pageOf(markup).querySelector('#line-loss g[aria-label=line] path')!.getAttribute('d')!
    const heights = [...path.matchAll(/,(-?[\d.]+)/g)].map(([, v]) => Number(v))
    expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan(1)
  })
})

describe('writeLandscapeReport', () => {
  it('keeps the document, from which the page can be made again', async () => {
    const folder = join(temporaryFolder(), 'report')
    for (const document of [documentOf(5), line]) {
      const { page, json } = await writeLandscapeReport(document, folder)
      const kept = JSON.parse(readFileSync(json, 'utf8'))
      expect(kept).toEqual(JSON.parse(JSON.stringify(document)))
      const again = 't' in kept ? await lossLinePage(kept) : await landscapePage(kept)
      expect(unnumbered(readFileSync(page, 'utf8')) === unnumbered(again)).toBe(true)
    }
  })
})

describe.skipIf(chromium === undefined)('in a browser', () => {
  it('renders without an error or a refused request', async () => {
    const { page } = await writeLandscapeReport(documentOf(), join(temporaryFolder(), 'report'))
    const { stdout, console } = await browse(page, '--dump-dom')
    expect(console).toEqual([])
    expect(pageOf(stdout).querySelectorAll('figure svg')).toHaveLength(6)
  })
})
