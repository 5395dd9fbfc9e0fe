import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

export const description =
  "Hessian-vector products of ResNet-20 on one batch of 256, compared with PyTorch's eager mode"
export const targets = { 'kept graph, eager recomputes': 1.3 }

export function prepare({ root, python, folder, log }) {
  const model = join(folder(), 'resnet20.pt')
  log('exporting ResNet-20 …')
  execFileSync(python, [join(root, 'scripts/bench/cases/resnet20.py'), model], { stdio: ['ignore', 2, 2] })
  return { model }
}

/** All products use the same vector and the same batch. Only in the first case do we keep the graph while eager PyTorch does not. */
export async function cases({ model: path, device = 'cpu', batch = 256 }) {
  const { ScriptModule, hvp, scope, torch } = await import('../../../dist/index.js')
  const { hvpOfGradients } = await import('../../../dist/torch/index.js')
  const { Generator } = torch
  const { grad } = torch.autograd
  const model = (await ScriptModule.load(path, { device })).eval()
  const parameters = model.parameters()
  const images = torch.randn([batch, 3, 32, 32], { generator: new Generator(1) }).to({ device })
  const labels = torch.arange(batch, { device }).remainder(10)
  const generator = new Generator(2)
  const vector = parameters.map(({ shape }) => torch.randn([...shape], { generator }).to({ device }))

  const loss = async () => torch.cross_entropy_loss(await model.forward(images), labels)
  const recomputed = async () => hvp(await loss(), parameters, vector)
  let gradients
  const kept = async () => {
    gradients ??= await grad([await loss()], parameters, { createGraph: true })
    return hvpOfGradients(gradients, parameters, vector, true)
  }

  const product = (apply) => ({
    async run(n) {
      for (let i = 0; i < n; i++) await scope(() => apply().then(() => {}))
    },
    result: async () => torch.cat((await apply()).map((part) => part.reshape([-1]))),
  })
  return {
    'kept graph, eager recomputes': product(kept),
    'both recompute': product(recomputed),
    'both keep the graph': product(kept),
  }
}
