/** Hooks, gradients, products and mixed precision of the demo's network, on the device compared with the CPU. */

/** Loads the demo's network in float64 on a device, in eval mode, and eight of its images with their labels. */
export async function demo({ sos, assets, data }, device, dtype = 'float64') {
  const { ScriptModule, torch } = sos
  const model = (await ScriptModule.load(`${assets}/fashion-resnet.pt`, { device })).eval()
  await model.to({ dtype })
  const indices = [...Array(8).keys()]
  const { images } = await data.load(indices)
  return {
    model,
    images: images.to({ device, dtype }),
    labels: torch.tensor(
      indices.map((i) => data.labels[i]),
      { dtype: 'int64', device },
    ),
  }
}

/** Computes the same on the device and on the CPU. */
const both = async (context, dtype) => [
  await demo(context, context.device, dtype),
  await demo(context, 'cpu', dtype),
]

const vectorOf = ({ torch }, model) => {
  const generator = new torch.Generator(3)
  return model
    .parameters()
    .map(({ shape, dtype, device }) => torch.randn([...shape], { generator, dtype }).to({ device }))
}

export const checks = {
  async 'forward and observing hooks'(context) {
    const { sos, findings, device } = context
    const paths = ['layer1', 'layer4', 'fc']
    const run = async ({ model, images }) => {
      const seen = new Map()
      for (const path of paths) model.registerForwardHook(path, ({ output }) => void seen.set(path, output))
      return { seen, logits: await sos.torch.noGrad(() => model.forward(images)) }
    }
    const [there, here] = await Promise.all((await both(context)).map(run))
    findings.same('where the logits are', there.logits.device.split(':')[0], device.split(':')[0])
    findings.close('the logits', there.logits, here.logits, 1e-10)
    for (const path of paths)
      findings.close(`the output of ${path}`, there.seen.get(path), here.seen.get(path), 1e-10)
  },

  async 'replacing hooks, with gradients through them'(context) {
    const { sos, findings } = context
    const run = async ({ model, images, labels }) => {
      model.registerForwardHook('layer2', ({ output }) => output.mul(0.5).add(0.1), { replace: true })
      const loss = sos.torch.cross_entropy_loss(await model.forward(images), labels)
      return { loss, gradients: await sos.torch.autograd.grad([loss], model.parameters()) }
    }
    const [there, here] = await Promise.all((await both(context)).map(run))
    findings.close('the loss', there.loss, here.loss, 1e-10)
    for (const [i, gradient] of here.gradients.entries()) {
      findings.close('a gradient', there.gradients[i], gradient, 1e-8)
    }
  },

  async 'gradients and Hessian-vector products, also of a kept graph'(context) {
    const { sos, findings } = context
    const run = async ({ model, images, labels }) => {
      const parameters = model.parameters()
      const vector = vectorOf(sos, model)
      const loss = async () => sos.torch.cross_entropy_loss(await model.forward(images), labels)
      const products = await sos.hvp(await loss(), parameters, vector)
      const gradients = await sos.torch.autograd.grad([await loss()], parameters, { createGraph: true })
      const kept = []
      for (let i = 0; i < 3; i++) kept.push(await sos.hvpOfGradients(gradients, parameters, vector, true))
      return { gradients, products, kept }
    }
    const [there, here] = await Promise.all((await both(context)).map(run))
    for (const [i, gradient] of here.gradients.entries()) {
      findings.close('a gradient', there.gradients[i], gradient, 1e-8)
      findings.close('a product', there.products[i], here.products[i], 1e-7)
      for (const again of there.kept)
        findings.close('a product of the kept graph', again[i], here.products[i], 1e-7)
    }
  },

  async 'bfloat16 by autocast'(context) {
    const { sos, findings, device } = context
    const [there, here] = [await demo(context, device, 'float32'), await demo(context, 'cpu')]
    const kind = device.split(':')[0]
    const logits = await sos.torch.noGrad(() =>
      sos.torch.autocast({ device: kind, dtype: 'bfloat16' }, () => there.model.forward(there.images)),
    )
    const expected = await sos.torch.noGrad(() => here.model.forward(here.images))
    findings.same('the dtype of the logits', logits.dtype, 'bfloat16')
    findings.close('the logits', logits, expected, 0.05) // eight bits of mantissa, through some twenty layers
  },

  async 'weights and modules saved from the device, loaded on the CPU'(context) {
    const { sos, findings, folder } = context
    const [there, here] = await both(context)
    await sos.saveStateDict(`${folder}/weights.safetensors`, there.model.stateDict())
    await sos.saveStateDict(`${folder}/weights.pt`, there.model.stateDict())
    await there.model.save(`${folder}/model.pt`)
    const loaded = (await sos.ScriptModule.load(`${folder}/model.pt`)).eval()
    findings.same('where it is loaded', loaded.device, 'cpu')
    const state = here.model.stateDict()
    for (const [name, tensor] of loaded.stateDict())
      findings.close(`the module's ${name}`, tensor, state.get(name), 0)
    for (const file of ['weights.safetensors', 'weights.pt']) {
      const weights = await sos.loadStateDict(`${folder}/${file}`)
      findings.same(`the names in ${file}`, [...weights.keys()].sort(), [...state.keys()].sort())
      for (const [name, tensor] of weights) findings.close(`${name} of ${file}`, tensor, state.get(name), 0)
    }
  },
}
