import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseHTML } from 'linkedom'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { type SharpnessRecord, sharpnessPage, writeSharpnessReport } from '../../../src/report/index.js'

import { browse, chromium } from '../../support/chromium.js'
import { temporaryFolder } from '../../support/paths.js'
import { only, record } from './record.js'

const figures = ['eigenvalues', 'density', 'layers', 'layer-differences']
const folder = join(temporaryFolder(), 'report')
let markup: string
beforeAll(async () => {
  await writeSharpnessReport(record, folder)
  markup = readFileSync(join(folder, 'index.html'), 'utf8')
})

const pageOf = (text: string) => parseHTML(text).document
const figureOf = (id: string) => pageOf(markup).getElementById(id)!
const textOf = (id: string) => figureOf(id).querySelector('figcaption')!.textContent!.replace(/\s+/g, ' ')

describe('writeSharpnessReport', () => {
  it('writes the page and the whole record, and nothing else', () => {
    expect(readdirSync(folder).sort()).toEqual(['index.html', 'sharpness.json'])
    expect(JSON.parse(readFileSync(join(folder, 'sharpness.json'), 'utf8'))).toEqual(record)
  })

  it('says where it cannot write', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    const taken = temporaryFolder()
    mkdirSync(join(taken, 'index.html'))
    for (const place of [file, taken]) {
      await expect(writeSharpnessReport(record, place)).rejects.toEqual(
        expect.objectContaining({ code: 'ERR_OUTPUT' }),
      )
    }
  })
})

describe('the page', () => {
  it('has every figure as SVG with an alternative text and a caption', () => {
    expect([...pageOf(markup).querySelectorAll('figure:not(.table)')].map(({ id }) => id)).toEqual(figures)
    for (const id of figures) {
      const svg = figureOf(id).querySelector('svg')!
      expect(svg.getAttribute('role')).toBe('img')
      expect(svg.getAttribute('aria-label')!.length).toBeGreaterThan(40)
      expect(textOf(id).length).toBeGreaterThan(40)
    }
  })

  it('has a mark for each eigenvalue: a disk, a ring if it is negative, a cross if it has not converged', () => {
    const svg = figureOf('eigenvalues').querySelector('svg')!
    const disks = [...svg.querySelectorAll('circle')]
    expect(disks).toHaveLength(2 * 5)
    expect(disks.filter((disk) => disk.closest('[stroke^="var(--series"]') !== null)).toHaveLength(2)
    // The first value of the second model, 4.5, is a little lower than that of the first, 5; y grows downwards.
    const heights = disks.map((disk) => Number(disk.getAttribute('cy')))
    expect(heights[0]).toBeLessThan(heights[5]!)
    expect(textOf('eigenvalues')).toContain('before.pt: λ₁ = 5, tr(H) = 10 ± 1.5.')
    expect(textOf('eigenvalues')).toContain('after.pt: λ₁ = 4.5, tr(H) = 9 ± 1.5.')
    expect(textOf('eigenvalues')).toContain(
      '± is the standard error over the images. Rings are negative. Crosses have not converged.',
    )
  })

  it('names the error that it has, if the error over the images is not known', async () => {
    const one = only('trace', 'eigenvalues')
    const page = await sharpnessPage({ ...one, trace: { ...one.trace!, standardError: null } })
    const caption = pageOf(page).querySelector('#eigenvalues figcaption')!.textContent!
    expect(caption).toContain('tr(H) = 10 ± 0.25.')
    expect(caption).toContain('± is the standard error over the probes.')
    expect(pageOf(page).querySelector('table')!.textContent).toContain('not known')
  })

  it('has the numbers of the record in its tables', () => {
    const tables = [...pageOf(markup).querySelectorAll('table')]
    const cells = tables.map((table) =>
      [...table.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent)),
    )
    const [traces, rises, layers, eigenvalues] = cells as [string[][], string[][], string[][], string[][]]
    expect(traces.map((row) => row.slice(0, 4))).toEqual([
      ['before.pt', '10', '1.5', '0.25'],
      ['after.pt', '9', '1.5', '0.25'],
      ['difference', '+0.3', '1.9', '0.2'],
    ])
    expect(rises).toEqual([
      ['before.pt', 'worst case, ρ = 0.05', '0.4', '0.05', 'none', '0.2'],
      ['after.pt', 'worst case, ρ = 0.05', '0.36', '0.05', 'none', '0.2'],
      ['paired difference', 'worst case, ρ = 0.05', '−0.04', '0.03', 'none', '–'],
      ['before.pt', 'average, ρ = 0.05', '0.01', '0.002', '0.001', '0.2'],
      ['after.pt', 'average, ρ = 0.05', '0.009', '0.002', '0.001', '0.2'],
      ['paired difference', 'average, ρ = 0.05', '−0.001', '2.00e−4', '1.00e−4', '–'],
    ])
    expect(layers).toEqual([
      ['conv', '7 ± 1', '6.3 ± 1', '−0.1 ± 1.2'],
      ['fc', '3 ± 0.5', '2.7 ± 0.5', '+0.4 ± 0.15'],
    ])
    expect(eigenvalues).toHaveLength(6)
    expect(eigenvalues[0]).toEqual(['1', '5', '1.00e−6', '4.5', '1.00e−6', '−10.00 %'])
    expect(eigenvalues[5]!.slice(0, 3)).toEqual(['6', '0.1 *', '0.05'])
  })

  it('shows at most 24 layers in a figure, the largest, in the order of the network', async () => {
    const layers = Array.from({ length: 30 }, (_, i) => ({
      path: `layer${i}`,
      value: i < 6 ? 0.001 * i : 30 - i,
      standardError: 0.1,
    }))
    const one = only('trace')
    const page = await sharpnessPage({ ...one, trace: { ...one.trace!, byLayer: layers } })
    const figure = pageOf(page).getElementById('layers')!
    const shown = [...figure.querySelectorAll('text')]
      .map(({ textContent }) => textContent!)
      .filter((text) => text.startsWith('layer'))
    expect(shown).toEqual(layers.slice(6).map(({ path }) => path))
    expect(figure.textContent).toContain('The 24 largest of 30 layers')
  })

  it.each([only('trace'), only('eigenvalues'), only('density'), only('worstCase'), only('average'), only()])(
    'does with one model and a part of the measures',
    async (one) => {
      const page = await sharpnessPage(one)
      expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/)
      const table = ['trace', 'eigenvalues', 'worstCase', 'average'].filter((name) => name in one).length
      const layers = 'trace' in one ? 1 : 0
      expect(pageOf(page).querySelectorAll('table')).toHaveLength(table + layers)
    },
  )

  it('does with eigenvalues that are all zero, equal or negative, and a density at one place', async () => {
    const values = (...list: number[]) => list.map((value) => ({ value, residual: 0, converged: true }))
    const density = { nodes: [0], weights: [1], outliers: [], size: 1, products: 1 }
    for (const eigenvalues of [values(0), values(0, 0), values(3, 3), values(-1, -2), values(1e-300)]) {
      const page = await sharpnessPage({ ...only(), eigenvalues, density })
      expect(page).not.toMatch(/NaN|undefined|Infinity|\[object/)
    }
  })

  it('fetches nothing, runs nothing, and shows no NaN or infinity', () => {
    expect(markup).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|\son\w+=/i)
    expect(markup).not.toMatch(/https?:/)
    expect(markup).not.toMatch(/NaN|undefined|Infinity|\[object/)
  })

  it('escapes the names that come from outside', async () => {
    const name = `<img src=x onerror="alert('1')">&amp;`
    const byLayer = [{ path: name, value: 1, standardError: 1 }]
    const trace = { ...record.trace!, byLayer, method: name }
    const hostile: SharpnessRecord = {
      ...record,
      model: name,
      dataset: name,
      trace,
      withoutGradient: [name],
      compare: { ...record.compare!, model: `${name}2`, trace },
      difference: { trace: { ...record.difference.trace!, byLayer, method: name } },
    }
    expect(await sharpnessPage(hostile)).not.toContain('<img')
  })
})

describe.skipIf(chromium === undefined)('in a browser', () => {
  it('renders without an error or a refused request', async () => {
    const { stdout, console } = await browse(join(folder, 'index.html'), '--dump-dom')
    expect(console).toEqual([])
    expect(pageOf(stdout).querySelectorAll('figure svg')).toHaveLength(figures.length)
    expect(pageOf(stdout).querySelectorAll('table')).toHaveLength(4)
  })

  it.each([
    ['light', [], 240, 256],
    ['dark', ['--blink-settings=preferredColorScheme=0'], 0, 40],
  ])('is %s if the reader wants it so', async (_, flags, least, most) => {
    const path = join(temporaryFolder(), 'page.png')
    await browse(join(folder, 'index.html'), '--window-size=1240,1800', ...flags, `--screenshot=${path}`)
    const { data } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true })
    let far = 0
    for (let i = 0; i < data.length; i += 3) if (Math.abs(data[i]! - data[0]!) > 96) far++
    expect(data[0]).toBeGreaterThanOrEqual(least)
    expect(data[0]).toBeLessThan(most)
    expect(far / (data.length / 3)).toBeGreaterThan(0.02)
  })
})
