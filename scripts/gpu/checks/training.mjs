/** Training on the device: it must make the same steps as on the CPU, and end with the same bits after a resume. */

/**
 * LeNet has no batch norms. With these, float32 results on two devices drift apart within a few steps, because sums are computed in
 * another order.
 */
const open = async ({ sos, lenet, cifar }, device) => {
  const model = await sos.ScriptModule.load(lenet, { device })
  return { model, data: await sos.cifar10(cifar, null, sos.preprocessOf(model)) }
}

const sgd = ({ sgd }) => sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 1e-4 })

const bitsOf = (model) =>
  [...model.stateDict()].map(([name, tensor]) => [
    name,
    tensor.to({ device: 'cpu' }).toBuffer().toString('hex'),
  ])

/** The number of steps after which a run ends. */
const steps = 50

async function losses(context, device, optimizer) {
  const { sos } = context
  const { model, data } = await open(context, device)
  const trainer = new sos.Trainer(model, { data, epochs: 100, batchSize: 16, optimizer, seed: 5 })
  const told = []
  trainer.on('batchEnd', ({ loss, step }) => {
    told.push(loss)
    if (step === steps) trainer.stop()
  })
  await trainer.run()
  return { told, weights: sos.torch.cat(model.parameters().map((tensor) => tensor.detach().reshape([-1]))) }
}

const followsTheCpu = (name) => async (context) => {
  const { sos, device, findings } = context
  const optimizer = name === 'SAM' ? sos.sam(sgd(sos), { rho: 0.05 }) : sgd(sos)
  const [there, here] = [await losses(context, device, optimizer), await losses(context, 'cpu', optimizer)]
  findings.same('the number of steps', there.told.length, steps)
  findings.close('the losses', there.told, here.told, 1e-3)
  findings.close('the weights', there.weights, here.weights, 1e-3)
}

export const checks = {
  '50 steps of SGD': followsTheCpu('SGD'),
  '50 steps of SAM': followsTheCpu('SAM'),

  async 'a resumed run has the same bits, by deterministic operators'(context) {
    const { sos, folder, findings, device } = context
    const { torch } = sos
    const epochs = 2
    const train = async (checkpoints, stopAt) => {
      const { model, data } = await open(context, device)
      const trainer = new sos.Trainer(model, {
        data: sos.subset(data, [...Array(160).keys()]),
        epochs,
        batchSize: 16,
        optimizer: sgd(sos),
        augment: [sos.randomCrop(4), sos.randomFlip()],
        seed: 9,
        checkpoints: { folder: `${folder}/${checkpoints}` },
      })
      const resumed = await trainer.resume()
      trainer.on('batchEnd', ({ step }) => {
        if (step === stopAt) trainer.stop()
      })
      const reason = await trainer.run()
      return { resumed, reason, bits: bitsOf(model) }
    }
    torch.useDeterministicAlgorithms(true)
    try {
      const whole = await train('whole', -1)
      const begun = await train('parts', 7)
      const ended = await train('parts', -1)
      findings.same(
        'how the parts ended',
        [begun.reason, ended.resumed, ended.reason],
        ['stopped', true, 'done'],
      )
      findings.same('the bits of the weights', ended.bits, whole.bits)
    } finally {
      torch.useDeterministicAlgorithms(false)
    }
  },
}
