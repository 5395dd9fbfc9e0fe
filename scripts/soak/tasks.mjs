/** The tasks of a soak, for the main thread and for workers. A task throws if its result is wrong. */
import { rmSync } from 'node:fs'

import {
  idxFolder,
  loadStateDict,
  preprocessOf,
  ScriptModule,
  saveStateDict,
  scope,
  shiftOptimum,
  torch,
} from '../../dist/index.js'

const { Generator, noGrad } = torch
const { backward } = torch.autograd

export const modelFile = 'assets/fashion-resnet.pt'

/** Images that depend only on the seed. */
const images = (seed) => torch.rand([4, 1, 28, 28], { generator: new Generator(seed) })

const seeds = 8
const shiftSeeds = 3

function close(what, actual, expected, tolerance = 1e-4) {
  const pairs = expected.map((value, i) => Math.abs(value - actual[i]) / Math.max(1, Math.abs(value)))
  const worst = actual.length === expected.length ? Math.max(...pairs) : Number.POSITIVE_INFINITY
  if (worst <= tolerance) return
  throw new Error(`${what}: off by ${worst}: ${actual.slice(0, 4)} instead of ${expected.slice(0, 4)}`)
}

function same(what, actual, expected) {
  if (actual !== expected) throw new Error(`${what}: ${actual} instead of ${expected}`)
}

const logits = (module, seed) => noGrad(async () => [...(await module.forward(images(seed))).toTypedArray()])

async function shifted(module, seed) {
  const train = await idxFolder('assets/fashion-mnist', 'train', preprocessOf(module))
  const { rank, normAfter } = await shiftOptimum(module, train, { batchSize: 32, chunk: 16, seed })
  return { rank, normAfter }
}

/** The expected results of the tasks, from a module that nobody else uses. */
export async function expectations() {
  const model = (await ScriptModule.load(modelFile)).eval()
  const expected = { logits: [], layers: [], shifts: [] }
  for (let seed = 0; seed < seeds; seed++) {
    let sum = 0
    const hook = model.registerForwardHook('layer2', ({ output }) => {
      sum = output.sum().item()
    })
    expected.logits.push(await logits(model, seed))
    expected.layers.push(sum)
    hook.remove()
  }
  for (let seed = 0; seed < shiftSeeds; seed++) {
    const copy = await model.clone()
    expected.shifts.push(await shifted(copy, seed))
    copy.dispose()
  }
  model.dispose()
  return expected
}

/**
 * Each task receives { shared, expected, random, folder }: the module that all share, the expected results, a source of random
 * numbers, and a folder for files.
 */
export const tasks = {
  async load({ expected, random }) {
    const seed = Math.floor(random() * seeds)
    const model = (await ScriptModule.load(modelFile)).eval()
    close('a forward of a module of its own', await logits(model, seed), expected.logits[seed])
    if (random() < 0.5) model.dispose()
  },

  async forward({ shared, expected, random }) {
    const asked = Array.from({ length: 3 }, () => Math.floor(random() * seeds))
    const answers = await Promise.all(asked.map((seed) => logits(shared, seed)))
    for (const [i, seed] of asked.entries()) close('a forward', answers[i], expected.logits[seed])
  },

  async hook({ shared, expected, random }) {
    const seed = Math.floor(random() * seeds)
    const sums = []
    const view = shared.view()
    const hook = view.registerForwardHook('layer2', ({ output }) => sums.push(output.sum().item()))
    try {
      const [hooked] = await Promise.all([logits(view, seed), logits(shared, (seed + 1) % seeds)])
      close('a hooked forward', hooked, expected.logits[seed])
    } finally {
      hook.remove()
      view.dispose()
    }
    close('what a hook received', sums, [expected.layers[seed]], 1e-3)
  },

  async replace({ shared, expected, random }) {
    const seed = Math.floor(random() * seeds)
    const view = shared.view()
    view.registerForwardHook('layer3', ({ output }) => output.mul(2).div(2), { replace: true })
    try {
      close('a replaced forward', await logits(view, seed), expected.logits[seed])
    } finally {
      view.dispose()
    }
  },

  async shift({ shared, expected, random }) {
    const seed = Math.floor(random() * shiftSeeds)
    const copy = await shared.clone()
    const { rank, normAfter } = await shifted(copy, seed)
    same('the rank of a shift', rank, expected.shifts[seed].rank)
    close('the norm of a shift', [normAfter], [expected.shifts[seed].normAfter])
    copy.dispose()
  },

  async weights({ shared, random, folder }) {
    const file = `${folder}/${Math.floor(random() * 2 ** 52)}${random() < 0.5 ? '.safetensors' : '.pth'}`
    const weights = shared.stateDict()
    await saveStateDict(file, weights)
    const read = await loadStateDict(file)
    for (const [name, tensor] of read) {
      if (!torch.equal(tensor, weights.get(name))) throw new Error(`${name} is not what was saved`)
    }
    rmSync(file)
  },

  async gradient() {
    const w = torch.ones([64, 64]).requires_grad_()
    w.registerHook((gradient) => gradient.mul(2))
    await backward([w.matmul(w).sum()])
    same('a gradient', w.grad.sum().item(), 2 * 64 * 64 * 128)
  },

  views({ random }) {
    const kept = []
    for (let i = 0; i < 50; i++) {
      const size = 1 + Math.floor(random() * 50_000)
      const tensor = torch.full([size], i, { dtype: 'float32' })
      const view = tensor.asTypedArray()
      try {
        tensor.resize_([2 * size])
        throw new Error('a tensor was resized under a view')
      } catch (error) {
        if (error.code !== 'ERR_TORCH') throw error
      }
      tensor.dispose()
      kept.push([view, i])
      torch.fromBuffer(new Float32Array(size)).add_(1)
    }
    for (const [view, value] of kept) same('a view', view[view.length - 1], value)
  },

  operators() {
    for (let i = 0; i < 200; i++) {
      const total = scope(() => torch.ones([300]).add(i).sum().item())
      same('a sum', total, 300 * (i + 1))
    }
  },

  async lane() {
    const x = torch.zeros([200_000])
    const work = Array.from({ length: 20 }, () => torch.async.add_(x, 1))
    await Promise.all(work)
    same('a sum on the lane', x.sum().item(), 20 * 200_000)
  },

  errors() {
    for (let i = 0; i < 100; i++) {
      try {
        torch.ones([2]).add(torch.ones([3]))
        throw new Error('shapes that do not fit were added')
      } catch (error) {
        if (error.code !== 'ERR_TORCH') throw error
      }
    }
  },

  garbage() {
    for (let i = 0; i < 300; i++) torch.empty([100_000]).fill_(1)
  },
}
