import { mkdirSync, writeFileSync } from 'node:fs'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { hvp, imageFolder, presets, ScriptModule, torch } from '../../src/index.js'

import { demoModel, fixture, temporaryFolder } from '../support/paths.js'
import { randn } from '../support/random.js'

/** Runs `work` beside a timer of 1 ms, and returns by how many milliseconds the timer was late at worst, and how often it fired. */
async function lateness(work: () => Promise<unknown>): Promise<{ worst: number; ticks: number }> {
  let worst = 0
  let ticks = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    worst = Math.max(worst, now - last - 1)
    last = now
    ticks++
  }, 1)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return { worst, ticks }
}

describe('the event loop', () => {
  // Machines that run tests hang for moments of their own: the best of some attempts is what the addon does.
  async function bestOf(attempts: number, work: () => Promise<unknown>) {
    let best = { worst: Number.POSITIVE_INFINITY, ticks: 0 }
    for (let i = 0; i < attempts && best.worst > 20; i++) {
      const seen = await lateness(work)
      if (seen.worst < best.worst) best = seen
    }
    return best
  }

  it('stays free during a forward of ResNet-50', async () => {
    const model = (await ScriptModule.load(fixture('resnet50.scripted.pt'))).eval()
    const x = randn([4, 3, 224, 224], 1)
    const { worst, ticks } = await bestOf(5, () => torch.noGrad(() => model.forward(x)))
    expect(ticks).toBeGreaterThan(10)
    expect(worst).toBeLessThan(20)
  })

  it('stays free while images are decoded and preprocessed', async () => {
    const folder = temporaryFolder()
    mkdirSync(`${folder}/a`)
    const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const
    const image = sharp({ create: { width: 1200, height: 900, channels: 3, background: 'red', noise } })
    writeFileSync(`${folder}/a/1.jpg`, await image.jpeg().toBuffer())
    const dataset = await imageFolder(folder, presets.resnet50!)
    const { worst, ticks } = await bestOf(5, () => dataset.load(Array.from({ length: 32 }, () => 0)))
    expect(ticks).toBeGreaterThan(10)
    expect(worst).toBeLessThan(20)
  })

  it('stays free during a Hessian-vector product', async () => {
    const model = (await ScriptModule.load(demoModel)).eval()
    const parameters = model.parameters()
    const vector = parameters.map((parameter) => torch.ones([...parameter.shape]))
    const x = randn([128, 1, 28, 28], 1)
    const labels = torch.zeros([128], { dtype: 'int64' })
    const { worst, ticks } = await bestOf(5, async () => {
      const logits = await torch.enableGrad(() => model.forward(x))
      await hvp(torch.cross_entropy_loss(logits, labels), parameters, vector)
    })
    expect(ticks).toBeGreaterThan(10)
    expect(worst).toBeLessThan(20)
  })
})
