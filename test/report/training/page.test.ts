import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseHTML } from 'linkedom'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  evaluateDuringTraining,
  idxFolder,
  preprocessOf,
  recordRun,
  ScriptModule,
  sgd,
  sosDuringTraining,
  Trainer,
} from '../../../src/index.js'
import {
  summariseTraining,
  type TrainingRun,
  trainingPage,
  trainingTables,
  writeTrainingReport,
} from '../../../src/report/index.js'
import { readRunRecord } from '../../../src/train/index.js'

import { browse, chromium } from '../../support/chromium.js'
import { demoModel, fashionMnist, temporaryFolder } from '../../support/paths.js'
import { epochLine, evaluationLine, runLine, wholeRun } from '../../support/run-lines.js'

const schemes = ['sgd', 'sgd+sos', 'sam', 'sam+sos']
const whole = schemes.flatMap((scheme) => [0, 1, 2].map((seed) => wholeRun(scheme, seed, 30)))
const everyFigure = [
  'end-accuracy',
  'end-trace',
  'accuracy',
  'accuracy-end',
  'loss',
  'trace',
  'norm',
  'shifts',
]
everyFigure.push('nc1', 'nc2', 'nc3', 'nc4', 'learning-rate')

const pageOf = (text: string) => parseHTML(text).document
const figuresOf = (markup: string) =>
  [...pageOf(markup).querySelectorAll('figure:not(.table)')].map(({ id }) => id)
const captionsOf = (markup: string) =>
  [...pageOf(markup).querySelectorAll('figure.table figcaption')].map((one) =>
    one.textContent!.replaceAll('\u00a0', ' '),
  )
const altOf = (markup: string, id: string) =>
  pageOf(markup).getElementById(id)!.querySelector('svg')!.getAttribute('aria-label')!
const noNumber = /NaN|undefined|Infinity|\[object/

describe('the page of a training', () => {
  let markup: string
  beforeAll(async () => {
    markup = await trainingPage('ResNet-18 on CIFAR-10', whole)
  })

  it('has every figure that the runs have data for, each told in words', () => {
    expect(figuresOf(markup)).toEqual(everyFigure)
    for (const id of everyFigure.filter((one) => !one.startsWith('end-'))) {
      const alt = altOf(markup, id)
      const shown = id === 'shifts' ? ['sgd+sos', 'sam+sos'] : schemes
      for (const scheme of shown) expect(alt).toContain(`${scheme}: `)
      const keys = [...pageOf(markup).getElementById(id)!.querySelectorAll('.key li')]
      expect(keys.map((key) => key.textContent)).toEqual(shown)
    }
    const { mean, sd } = summariseTraining(whole).schemes[1]!.top1!
    expect(altOf(markup, 'accuracy')).toContain(
      `${mean.toFixed(2)} % ± ${sd!.toFixed(2)} % after 30 epochs (3 runs)`,
    )
  })

  it('shows where the runs end: a dot for each, a line for each pair, a mean for each scheme', () => {
    const { runs, schemes: summaries } = summariseTraining(whole)
    for (const id of ['end-accuracy', 'end-trace']) {
      const svg = pageOf(markup).getElementById(id)!.querySelector('svg')!
      const dots = [...svg.querySelectorAll('g[aria-label=dot] circle')]
      expect(dots).toHaveLength(12)
      expect(svg.querySelectorAll('g[aria-label=link] path')).toHaveLength(6) // two schemes with shifts, three seeds
      expect(svg.querySelectorAll('g[aria-label=dot] path')).toHaveLength(4)
      expect(new Set(dots.map((dot) => dot.getAttribute('fill'))).size).toBe(4)
    }
    const dots = [...pageOf(markup).getElementById('end-accuracy')!.querySelectorAll('circle')]
    expect(dots[4]!.querySelector('title')!.textContent).toBe(
      `sgd+sos, seed 1: ${runs[4]!.test!.top1.toFixed(2)} %`,
    )
    // The heights are those of the values: linear, and larger values are higher.
    const heights = dots.map((dot) => Number(dot.getAttribute('cy')))
    const values = runs.map(({ test }) => test!.top1)
    const slope = (heights[1]! - heights[0]!) / (values[1]! - values[0]!)
    expect(slope).toBeLessThan(0)
    for (const [i, height] of heights.entries()) {
      expect(height).toBeCloseTo(heights[0]! + slope * (values[i]! - values[0]!), 6)
    }
    expect(altOf(markup, 'end-accuracy')).toContain(`sam: ${summaries[2]!.top1!.mean.toFixed(2)} %`)
  })

  it('draws a thin line for each run and a thick one for each mean, dashed without shifts', () => {
    const lines = [...pageOf(markup).getElementById('norm')!.querySelectorAll('g[aria-label=line]')]
    const thick = lines.filter((line) => line.getAttribute('stroke-width') === '2')
    expect([lines.length, thick.length]).toEqual([12 + 4, 4])
    const dashed = thick.filter((line) => line.hasAttribute('stroke-dasharray'))
    expect(dashed.map((line) => line.getAttribute('stroke'))).toEqual(['var(--series-1)', 'var(--series-3)'])
  })

  it('has the tables, and the settings that all runs share', () => {
    const tables = [...pageOf(markup).querySelectorAll('table')]
    expect(captionsOf(markup)).toEqual(trainingTables(whole).map(({ caption }) => caption))
    expect(tables.map((table) => table.querySelectorAll('tbody tr').length)).toEqual([4, 4, 2, 12])
    const facts = [...pageOf(markup).querySelectorAll('dd')].map((one) => one.textContent)
    expect(facts).toEqual([
      schemes.join(', '),
      '0, 1, 2',
      '12, of which 12 finished',
      '30',
      'resnet18',
      '[1,2]',
    ])
    const names = [...pageOf(markup).querySelectorAll('dt')].map((one) => one.textContent)
    expect(names.slice(4)).toEqual(['config.model', 'config.sos.layers'])
  })

  it('fetches nothing, runs nothing, and shows no NaN or infinity', () => {
    expect(markup).not.toMatch(/<script|<link|<img|<iframe|url\(|@import|\son\w+=/i)
    expect(markup).not.toMatch(/https?:/)
    expect(markup).not.toMatch(noNumber)
  })

  it('escapes what comes from outside', async () => {
    const name = `<img src=x onerror="alert('1')">&amp;`
    const run = { scheme: name, seed: 0, lines: [runLine(1, { [name]: name }), epochLine(0)] }
    const document = pageOf(await trainingPage(name, [run]))
    expect(document.querySelectorAll('img')).toHaveLength(0)
    expect(document.querySelector('h1')!.textContent).toBe(name)
    expect(document.querySelector('tbody th')!.textContent).toBe(name)
    expect([...document.querySelectorAll('dt')].at(-1)!.textContent).toBe(name)
    expect(document.querySelector('svg')!.getAttribute('aria-label')).toContain(name)
  })

  it('leaves out figures without data', async () => {
    const lines = [runLine(3), evaluationLine(0, 50), epochLine(0)]
    const page = await trainingPage('short', [{ scheme: 'sgd', seed: 0, lines }])
    expect(figuresOf(page)).toEqual(['accuracy', 'loss', 'learning-rate'])
    expect(pageOf(page).getElementById('accuracy')!.querySelectorAll('circle')).toHaveLength(1)
    expect(page).toContain('1 of 1 run is not finished')
    expect(page).not.toMatch(noNumber)
  })

  it('draws what does not change as a level line, whatever the rounding of its mean', () => {
    // Three learning rates of 0.1, whose mean is 0.10000000000000002.
    const svg = pageOf(markup).getElementById('learning-rate')!.querySelector('svg')!
    const heights = [...svg.querySelectorAll('g[aria-label=line] path')].flatMap((path) =>
      [...path.getAttribute('d')!.matchAll(/,([\d.]+)/g)].map(([, y]) => Number(y)),
    )
    expect(heights.length).toBeGreaterThan(16 * 29)
    expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan(0.01)
    expect(svg.querySelector('g[aria-label="y-axis tick label"]')!.textContent).toBe('0.1')
  })

  it('does with runs that have not begun, that diverged, and with none', async () => {
    const unbegun: TrainingRun = { scheme: 'sgd', seed: 0, lines: [] }
    expect(await trainingPage('empty', [unbegun])).toContain('not begun')
    expect(await trainingPage('none', [])).toContain('No run has begun.')
    const losses = [1, 0.5, Number.NaN, Number.NaN]
    const lines = [runLine(4), ...losses.map((loss, epoch) => epochLine(epoch, { loss }))]
    const page = await trainingPage('lost', [{ scheme: 'sgd', seed: 0, lines }])
    expect(page).toContain('this run diverged')
    expect(altOf(page, 'loss')).toContain('0.5 after 2 epochs (1 run)')
    const drawn = pageOf(page).getElementById('loss')!.querySelector('svg')!.toString()
    expect(drawn).not.toMatch(noNumber)
  })

  it('takes the mean of the finished runs while others continue', async () => {
    const page = await trainingPage('going on', [...whole.slice(0, 2), wholeRun('sgd', 2, 30, 4)])
    expect(altOf(page, 'norm')).toContain('after 30 epochs (2 runs)')
    const begun = [0, 1].map((seed) => wholeRun('sgd', seed, 30, 4 + seed))
    expect(altOf(await trainingPage('begun', begun), 'norm')).toContain('after 4 epochs (2 runs)')
  })
})

describe('writeTrainingReport', () => {
  let folder: string
  let runs: TrainingRun[]
  beforeAll(async () => {
    folder = temporaryFolder()
    const cases = ['sgd', 'sgd+sos'].flatMap((scheme) => [0, 1].map((seed) => ({ scheme, seed })))
    runs = []
    for (const one of cases) runs.push({ ...one, lines: await train(one.scheme, one.seed) })
    await writeTrainingReport(folder, 'The demo’s network', runs)
  })

  /** A short run of the demo's network. */
  async function train(scheme: string, seed: number): Promise<TrainingRun['lines']> {
    const model = await ScriptModule.load(demoModel)
    const [data, test] = await Promise.all(
      (['train', 'test'] as const).map(async (split) => {
        const all = await idxFolder(fashionMnist, split, preprocessOf(model))
        return { ...all, size: 120, labels: all.labels.subarray(0, 120) }
      }),
    )
    const optimizer = sgd({ learningRate: 0.01, momentum: 0.9 })
    const trainer = new Trainer(model, { data: data!, epochs: 2, batchSize: 40, seed, optimizer })
    if (scheme.endsWith('+sos')) trainer.use(sosDuringTraining({ batchSize: 30 }))
    const path = join(folder, `${scheme}-seed${seed}`, 'run.jsonl')
    trainer.use(evaluateDuringTraining(test!), recordRun(path, { model: 'fashion-resnet' }))
    await trainer.run()
    return readRunRecord(path)
  }

  it('writes the page and the summary of real runs, and writes them again', async () => {
    const files = () => readdirSync(folder).filter((name) => !name.includes('-seed'))
    expect(files()).toEqual(['report.html', 'report.json'])
    const json = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))
    expect(json).toEqual({ title: 'The demo’s network', ...summariseTraining(runs) })
    expect(json.schemes[1].shifts).toEqual({ mean: 2, sd: 0 })
    expect(json.schemes[1].normRatio.mean).toBeLessThan(1)
    const markup = readFileSync(join(folder, 'report.html'), 'utf8')
    expect(figuresOf(markup)).toEqual(['end-accuracy', 'accuracy', 'loss', 'shifts', 'learning-rate'])
    writeFileSync(join(folder, 'report.html'), 'an older page')
    const { page } = await writeTrainingReport(folder, 'The demo’s network', runs)
    expect(readFileSync(page, 'utf8')).toBe(markup)
    expect(files()).toEqual(['report.html', 'report.json'])
  })

  it('writes numbers that JSON lacks as text', async () => {
    const lines = [runLine(1), epochLine(0, { loss: Number.NaN })]
    const { json } = await writeTrainingReport(temporaryFolder(), 'lost', [{ scheme: 'sgd', seed: 0, lines }])
    expect(JSON.parse(readFileSync(json, 'utf8')).runs[0].train.loss).toBe('NaN')
  })

  it('says where it cannot write', async () => {
    const taken = temporaryFolder()
    mkdirSync(join(taken, 'report.html'))
    await expect(writeTrainingReport(taken, 'title', runs)).rejects.toEqual(
      expect.objectContaining({ code: 'ERR_OUTPUT' }),
    )
  })

  it('is quick enough to be written after each epoch', async () => {
    const long = schemes.flatMap((scheme) => [0, 1, 2].map((seed) => wholeRun(scheme, seed, 300)))
    const target = temporaryFolder()
    const milliseconds: number[] = []
    for (let i = 0; i < 3; i++) {
      const { user, system } = process.cpuUsage()
      await writeTrainingReport(target, 'long', long)
      const since = process.cpuUsage()
      milliseconds.push((since.user + since.system - user - system) / 1000)
    }
    // Of the processor, which other tests share; the first call may load the library that draws.
    expect(Math.min(...milliseconds)).toBeLessThan(1000)
  })

  it.skipIf(chromium === undefined)(
    'renders in a browser without an error or a refused request',
    async () => {
      const page = await writeTrainingReport(temporaryFolder(), 'whole', whole)
      const { stdout, console } = await browse(page.page, '--dump-dom')
      expect(console).toEqual([])
      expect(figuresOf(stdout)).toEqual(everyFigure)
    },
  )
})
