/** Optimum shifting, evaluation and the trace of the Hessian, on the device, compared with the CPU, in float32 as people run them. */

const load = ({ sos, assets }, device) => sos.ScriptModule.load(`${assets}/fashion-resnet.pt`, { device })

const both = async (context) => [await load(context, context.device), await load(context, 'cpu')]

export const checks = {
  async shiftOptimum(context) {
    const { sos, findings, data, test } = context
    const run = async (model) => {
      const record = await sos.shiftOptimum(model, data, { batchSize: 60, seed: 1 })
      const weight = model.namedParameters().get(`${record.layer}.weight`)
      return { record, weight, top1: (await sos.evaluate(model, test, { limit: 200 })).top1 }
    }
    const [there, here] = await Promise.all((await both(context)).map(run))
    findings.close('V*', there.weight, here.weight, 1e-4)
    for (const name of [
      'layer',
      'solver',
      'policy',
      'batchSize',
      'indices',
      'inFeatures',
      'identity',
      'classesCovered',
    ]) {
      findings.same(`the record's ${name}`, there.record[name], here.record[name])
    }
    findings.close("the record's rank", there.record.rank, here.record.rank, 0.02)
    findings.close('the norm before', there.record.normBefore, here.record.normBefore, 1e-6)
    findings.close('the norm after', there.record.normAfter, here.record.normAfter, 1e-4)
    findings.same('logits of the batch stay', there.record.batchLogitChange < 1e-2, true)
    findings.close('top-1 of the shifted network', there.top1, here.top1, 0.01)
  },

  async 'evaluate: the same predictions but for ties'(context) {
    const { sos, findings, test, quick } = context
    const limit = quick ? 300 : 2000
    const run = async (model) => {
      const evaluation = await sos.evaluate(model, test, { limit })
      const { images } = await test.load(evaluation.indices)
      const logits = await sos.torch.noGrad(() => model.eval().forward(images.to({ device: model.device })))
      return { evaluation, logits: logits.to('cpu') }
    }
    const [there, here] = await Promise.all((await both(context)).map(run))
    findings.close('the loss', there.evaluation.loss, here.evaluation.loss, 1e-4)
    findings.close('the logits', there.logits, here.logits, 1e-4)
    const [first, second] = here.logits.topk(2, 1)[0].unbind(1)
    const margins = first.sub(second).toArray()
    const largest = there.logits.sub(here.logits).abs().max().item()
    const [given, expected] = [there, here].map(({ logits }) => logits.argmax(1).toArray())
    for (const [i, prediction] of expected.entries()) {
      if (margins[i] > 2 * largest) findings.same(`the prediction of image ${i}`, given[i], prediction)
    }
    const [a, b] = [there, here].map(({ evaluation }) => evaluation.correct)
    const changed = b.filter((right, i) => right !== a[i] && margins[i] > 2 * largest).length
    findings.same('images right on one side alone', changed, 0)
  },

  async 'traces of the Hessian'(context) {
    const { sos, findings, data, quick } = context
    const options = { samples: quick ? 32 : 128, probes: 2, seed: 2 }
    const models = await both(context)
    for (const name of ['hessianTrace', 'gaussNewtonTrace']) {
      const [there, here] = await Promise.all(models.map((model) => sos[name](model, data, options)))
      findings.close(`tr(H) by ${name}`, there.trace, here.trace, 1e-3)
      findings.close(`its standard error by ${name}`, there.standardError, here.standardError, 1e-2)
    }
    const each = await Promise.all(
      models.map((model) => sos.perSampleTrace(model, data, { ...options, probes: 'exact' })),
    )
    findings.close('tr(H) image by image', each[0].value, each[1].value, 1e-3)
    findings.close('its standard error over images', each[0].standardError, each[1].standardError, 1e-2)
    const [there, here] = await Promise.all(
      models.map((model) => sos.lastLayerTrace(model, 'fc', data, { samples: options.samples })),
    )
    findings.close('the part of the last layer', there.trace, here.trace, 1e-3)
  },
}
