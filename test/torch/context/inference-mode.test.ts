import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'

import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

function refusal(body: () => unknown): string {
  try {
    body()
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_TORCH' })
    return (error as Error).message.split('\n')[0]!
  }
  throw new Error('nothing was refused')
}

describe('inferenceMode', () => {
  it("makes the tensors that Python's makes, which autograd refuses with the same words", async () => {
    const python = await reference('inference_mode')
    const normal = torch.ones([2])
    normal.requiresGrad = true
    const modes = () => [torch.isInferenceModeEnabled(), torch.isGradEnabled()]
    const inside = torch.inferenceMode(() => {
      const trainable = torch.ones([2])
      trainable.requiresGrad = true
      const [made, literal] = [torch.ones([2]), torch.tensor([1, 2])]
      const [viewed, product] = [normal.view([2]), normal.mul(2)]
      const again = torch.inferenceMode(() => {
        const out = normal.mul(2)
        return [...modes(), out.is_inference(), out.requiresGrad]
      }, false)
      const grad = torch.enableGrad(() => [torch.isGradEnabled(), normal.mul(2).requiresGrad])
      return { tensors: [made, literal, viewed, product], trainable, modes: modes(), again, grad }
    })
    const [made, , , product] = inside.tensors as [Tensor, Tensor, Tensor, Tensor]
    expect(inside.tensors.map((tensor) => tensor.is_inference())).toEqual(python.inference)
    expect([product.requiresGrad, inside.trainable.requiresGrad]).toEqual(python.requires)
    expect(inside.modes).toEqual(python.inside)
    expect(inside.again).toEqual(python.again)
    expect(inside.grad).toEqual(python.grad)
    expect({
      saved: refusal(() => normal.mul(made)),
      written: refusal(() => made.add_(1)),
      requires: refusal(() => {
        made.requiresGrad = true
      }),
    }).toEqual(python.errors)
  })

  it('holds across await, on the lane and in a module, and only within', async () => {
    const model = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const x = randn([5, 6], 1, 'float64')
    const inside = torch.inferenceMode(async () => {
      await setTimeout(5)
      return [torch.ones([1]), await torch.async.relu(x), await model.forward(x)]
    })
    expect(torch.isInferenceModeEnabled() || torch.ones([1]).is_inference()).toBe(false)
    const tensors = await inside
    expect(tensors.map((tensor) => [tensor.is_inference(), tensor.requiresGrad])).toEqual(
      tensors.map(() => [true, false]),
    )
    expect((await model.forward(x)).requiresGrad).toBe(true)
  })
})
