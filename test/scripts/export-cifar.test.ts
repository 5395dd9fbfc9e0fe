import { execFile } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { checkpointRecord, ScriptModule, torch } from '../../src/index.js'
import { linearLayer } from '../../src/shift/index.js'

import { root, temporaryFolder } from '../support/paths.js'
import { pythonPath, reference } from '../support/python.js'
import { randn } from '../support/random.js'
import { largestDifference } from '../support/tensors.js'

const folder = temporaryFolder()

function exportModel(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(pythonPath(), [`${root}/scripts/export/export_cifar.py`, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

const shape = [2, 3, 32, 32]
/** Those that are small, or of a kind of their own. */
const exported = ['lenet', 'resnet20', 'wide_small', 'densenet121']

/** Inputs of the last layer, and parameters with 10 classes. */
const literature: Record<string, { inputs: number; parameters: number }> = {
  // He et al. 2016, table 6: 0.27 M, with shortcuts without weights.
  resnet20: { inputs: 64, parameters: 269_722 },
  // torchvision's 11,689,512 and 25,557,032 with a stem of 3×3 and 10 classes.
  resnet18: { inputs: 512, parameters: 11_689_512 - 64 * 3 * (49 - 9) - 990 * (512 + 1) },
  resnet50: { inputs: 2048, parameters: 25_557_032 - 64 * 3 * (49 - 9) - 990 * (2048 + 1) },
  // torchvision's 7,978,856 and 20,013,928 likewise, and without a norm after the stem.
  densenet121: { inputs: 1024, parameters: 7_978_856 - 64 * 3 * (49 - 9) - 2 * 64 - 990 * (1024 + 1) },
  densenet201: { inputs: 1920, parameters: 20_013_928 - 64 * 3 * (49 - 9) - 2 * 64 - 990 * (1920 + 1) },
  // torchvision's vgg16_bn, 138,365,992, less its three linear layers and the biases before its norms.
  vgg16: {
    inputs: 512,
    parameters: 138_365_992 - 25_089 * 4096 - 4097 * 4096 - 4097 * 1000 - 4224 + 10 * (512 + 1),
  },
  lenet: { inputs: 84, parameters: 62_006 },
  wide_small: {
    inputs: 512,
    parameters: 25 * 3 * 24 + 9 * (24 * 48 + 48 * 96 + 96 * 192) + 192 * 512 + 2 * 872 + 10 * 513,
  },
}

describe('the networks', () => {
  // biome-ignore lint/suspicious/noExplicitAny: as the reference prints it
  let python: any

  beforeAll(async () => {
    const files = Object.fromEntries(exported.map((name) => [name, join(folder, `${name}.pt`)]))
    for (const [name, out] of Object.entries(files)) {
      const { code, stderr } = await exportModel(name, '--classes', '10', '--seed', '3', '--out', out)
      expect([code, stderr]).toEqual([0, expect.stringContaining('random weights of seed 3')])
    }
    python = await reference('cifar_networks', { classes: 10, seed: 3, shape, input: 1, files })
  })

  it('have the sizes of the literature', () => {
    expect(Object.keys(python).sort()).toEqual(Object.keys(literature).sort())
    for (const [name, { inputs, parameters }] of Object.entries(literature)) {
      expect([name, python[name].inputs]).toEqual([name, inputs])
      expect([name, python[name].parameters]).toEqual([name, parameters])
      expect(python[name].logits).toHaveLength(20)
    }
  })

  it.each(exported)('are written to be loaded and trained: %s', async (name) => {
    const model = await ScriptModule.load(join(folder, `${name}.pt`))
    expect([model.kind, model.training]).toEqual(['scripted', false])
    expect(checkpointRecord(model)).toEqual({
      version: 1,
      architecture: name,
      preprocess: {
        channels: 3,
        resize: null,
        interpolation: 'bilinear',
        crop: null,
        mean: [0.4914, 0.4822, 0.4465],
        std: [0.247, 0.2435, 0.2616],
      },
      classes: null,
      shifts: [],
    })
    expect(linearLayer(model)).toMatchObject({ inFeatures: literature[name]!.inputs, outFeatures: 10 })

    const logits = await torch.noGrad(() => model.forward(randn(shape, 1)))
    const values = logits.toTypedArray() as Float32Array
    const size = Math.max(...python[name].logits.map(Math.abs))
    expect(largestDifference(values, python[name].ofFile)).toBeLessThan(1e-5 * size)
    expect(largestDifference(values, python[name].logits)).toBeLessThan(1e-5 * size)

    model.train()
    const labels = torch.tensor([0, 1, 2, 3], { dtype: 'int64' })
    const statistics = [...model.namedBuffers().values()].map((buffer) => buffer.clone())
    const loss = await torch.enableGrad(async () =>
      torch.cross_entropy_loss(await model.forward(randn([4, 3, 32, 32], 2)), labels),
    )
    const gradients = await torch.autograd.grad([loss], model.parameters())
    for (const gradient of gradients) expect(gradient.abs().max().item()).toBeGreaterThan(0)
    for (const [i, buffer] of [...model.namedBuffers().values()].entries()) {
      expect(buffer.sub(statistics[i]!).abs().max().item()).toBeGreaterThan(0)
    }
  })

  it('differ by their seed, and have the normalisation of their dataset', async () => {
    const [first, second] = await Promise.all(
      ['4', '5'].map(async (seed) => {
        const out = join(folder, `lenet-${seed}.pt`)
        await exportModel('lenet', '--classes', '100', '--seed', seed, '--out', out)
        return ScriptModule.load(out)
      }),
    )
    const [a, b] = [first!, second!].map((model) => model.namedParameters().get('fc3.weight')!)
    expect(a!.shape).toEqual([100, 84])
    expect(a!.sub(b!).abs().max().item()).toBeGreaterThan(0.01)
    expect(checkpointRecord(first!)?.preprocess).toMatchObject({
      mean: [0.5071, 0.4865, 0.4409],
      std: [0.2673, 0.2564, 0.2762],
    })
  })
})

describe('export_cifar.py', () => {
  it('reports what it has', async () => {
    const { code, stdout } = await exportModel('--help')
    expect(code).toBe(0)
    for (const name of Object.keys(literature)) expect(stdout).toContain(name)
  })

  it('refuses unknown names, no classes and folders that do not exist, and writes nothing', async () => {
    const out = join(folder, 'never.pt')
    const unknown = await exportModel('resnet19', '--classes', '10', '--out', out)
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('did you mean resnet18')])
    expect((await exportModel('lenet', '--classes', '0', '--out', out)).code).toBe(2)
    writeFileSync(join(folder, 'file'), '')
    const nowhere = await exportModel('lenet', '--classes', '10', '--out', join(folder, 'file', 'x.pt'))
    expect([nowhere.code, nowhere.stderr.trim().split('\n')]).toEqual([1, [expect.stringContaining('x.pt')]])
    expect(existsSync(out)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })
})
