import { describe, expect, it } from 'vitest'
import { hessianTrace, ScriptModule, sgd, Trainer, torch } from '../../src/index.js'
import { vectors } from '../support/datasets.js'
import { fixture } from '../support/paths.js'
import { reference } from '../support/python.js'

// Two submodules of this network have one weight in common, under two names.
const path = fixture('curvature.shared_weight.pt')

describe('a tied weight', () => {
  it('has several names, and is one parameter, as in PyTorch', async () => {
    const model = await ScriptModule.load(path)
    const names = [...model.namedParameters().keys()]
    expect(names).toEqual(expect.arrayContaining(['twice.weight', 'again.weight']))
    expect(model.parameters()).toHaveLength(names.length - 1)
    const copy = await model.clone()
    expect(copy.parameters()).toHaveLength(names.length - 1)
  })

  it('is stepped once by a trainer', async () => {
    const model = await ScriptModule.load(path)
    const data = vectors(9)
    const { images } = await data.load([...Array(9).keys()])
    const before = model.namedParameters().get('twice.weight')!.detach().clone()
    const labels = torch.tensor([...data.labels], { dtype: 'int64' })
    const loss = torch.cross_entropy_loss(await model.forward(images), labels)
    const [gradient] = await torch.autograd.grad([loss], [model.namedParameters().get('twice.weight')!])
    const trainer = new Trainer(model, {
      data,
      epochs: 1,
      batchSize: 9,
      optimizer: sgd({ learningRate: 0.1 }),
    })
    await trainer.run()
    const after = model.namedParameters().get('twice.weight')!.detach()
    const expected = before.sub(gradient!.mul(0.1))
    expect(after.sub(expected).abs().max().item()).toBeLessThan(1e-14)
    expect(model.namedParameters().get('again.weight')!.sub(after).abs().max().item()).toBe(0)
  })

  it('counts once in the Hessian', async () => {
    const model = await ScriptModule.load(path)
    const dense = await reference('dense_hessian', { model: path, shape: [9, 6], seed: 7, classes: 3 })
    const { size, trace, standardError, withoutGradient } = await hessianTrace(model, vectors(9), {
      probes: 400,
    })
    expect(size).toBe(dense.matrix.length)
    expect(Math.abs(trace - dense.trace)).toBeLessThan(4 * standardError)
    expect(withoutGradient).toEqual([])
  })
})
