import { execFile } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkpointRecord, loadStateDict, ScriptModule, torch } from '../../src/index.js'
import { linearLayer } from '../../src/shift/index.js'

import { root, temporaryFolder } from '../support/paths.js'
import { pythonPath, reference } from '../support/python.js'
import { randn } from '../support/random.js'
import { largestDifference } from '../support/tensors.js'

const folder = temporaryFolder()

function exportModel(...args: string[]): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve) => {
    execFile(pythonPath(), [`${root}/scripts/export/export_torchvision.py`, ...args], (error, _, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stderr }),
    )
  })
}

describe('export_torchvision.py', () => {
  it.each([
    ['resnet18', 256, 512],
    ['resnext50_32x4d', 256, 2048],
    ['shufflenet_v2_x2_0', 232, 2048],
  ])(
    'writes %s with its preprocessing, equal to the eager model',
    async (architecture, resize, inFeatures) => {
      const out = join(folder, `${architecture}.pt`)
      const { code, stderr } = await exportModel(architecture, '--classes', '7', '--out', out)
      expect(code).toBe(0)
      expect(stderr).toMatch(/random/i)
      const model = await ScriptModule.load(out)
      expect(checkpointRecord(model)).toMatchObject({
        architecture,
        preprocess: {
          channels: 3,
          resize,
          crop: 224,
          mean: [0.485, 0.456, 0.406],
          std: [0.229, 0.224, 0.225],
        },
        shifts: [],
      })
      expect([model.kind, model.training]).toEqual(['scripted', false])
      expect(linearLayer(model)).toMatchObject({ path: 'fc', inFeatures, outFeatures: 7 })
      const shape = [2, 3, 64, 64]
      const logits = await torch.noGrad(() => model.forward(randn(shape, 1)))
      const { output } = await reference('eager', { model: out, architecture, classes: 7, shape, seed: 1 })
      expect(largestDifference(logits.toTypedArray() as Float32Array, output)).toBeLessThan(1e-4)
    },
  )

  it('takes the weights out of checkpoints of training scripts, and off their prefixes', async () => {
    const names: Record<string, string[] | null> = await reference('checkpoints_of_scripts', { folder })
    const out = join(folder, 'from-checkpoint.pt')
    const from = (file: string, ...more: string[]) =>
      exportModel('resnet18', '--classes', '4', '--weights', join(folder, file), '--out', out, ...more)
    const expected = await loadStateDict(join(folder, 'plain.pth'))
    for (const [file, keys] of Object.entries(names)) {
      for (const key of keys ?? [null]) {
        rmSync(out, { force: true })
        const { code, stderr } = await from(file, ...(key === null ? [] : ['--key', key]))
        expect([file, code, stderr]).toEqual([file, 0, expect.any(String)])
        const weight = (await ScriptModule.load(out)).stateDict().get('fc.weight')!
        expect(weight.toArray(), file).toEqual(expected.get('fc.weight')!.toArray())
      }
    }
    rmSync(out)
    expect((await from('several.pth')).stderr).toMatch(
      /several state dicts.*--key.*state_dict, state_dict_ema/,
    )
    expect((await from('criterion.ckpt')).stderr).toContain('pass --prefix model. to take only')
    writeFileSync(join(folder, 'model.safetensors.index.json'), '{"weight_map": {}}')
    expect((await from('model.safetensors.index.json')).stderr).toContain('a checkpoint in several files')
    expect((await from('several.pth', '--key', 'state')).stderr).toContain("no key 'state'")
    expect((await from('module.pth')).stderr).toContain('an object of torchvision.models.resnet.ResNet')
    expect(existsSync(out)).toBe(false)
    expect((await from('criterion.ckpt', '--prefix', 'model.')).code).toBe(0)
    const weight = (await ScriptModule.load(out)).stateDict().get('fc.weight')!
    expect(weight.toArray()).toEqual(expected.get('fc.weight')!.toArray())
    rmSync(out)
  }, 400_000) // some sixteen Pythons with torch

  it('refuses unknown names and broken weights, and writes nothing', async () => {
    const out = join(folder, 'never.pt')
    const unknown = await exportModel('resnet19', '--out', out)
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('resnet18')])
    const weights = join(folder, 'broken.pth')
    writeFileSync(weights, 'no weights')
    const broken = await exportModel('resnet18', '--weights', weights, '--out', out)
    expect(broken.code).toBe(1)
    expect(broken.stderr.trim().split('\n')).toHaveLength(1)
    expect(existsSync(out)).toBe(false)
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })
})
