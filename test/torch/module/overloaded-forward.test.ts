import { expect, it } from 'vitest'

import { ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

// TorchScript compiles the forward of nn.LSTM and nn.GRU, which Python overloads, under the name forward__0.
it.each(['lstm', '**'])('a hook on a scripted LSTM and GRU receives their outputs: %s', async (path) => {
  const model = await ScriptModule.load(fixture('zoo.recurrent.pt'))
  const input = { model: model.path, shape: [2, 4, 6], seed: 3 }
  const expected: Record<string, number[]> = await reference('recurrent_hooks', input)
  const { dtype } = model.parameters()[0]!
  const seen = new Map<string, Tensor>()
  model.registerForwardHook(path, ({ path: at, output }) => {
    if (Array.isArray(output)) seen.set(at, output[0] as Tensor)
  })
  await torch.noGrad(() => model.forward(randn([2, 4, 6], 3).to(dtype)))
  expect([...seen.keys()]).toEqual(path === 'lstm' ? ['lstm'] : ['lstm', 'gru'])
  for (const [at, output] of seen) {
    const wanted = torch.tensor(expected[at]!, { dtype: 'float64' })
    expect(output.flatten().to('float64').sub(wanted).abs().max().item()).toBeLessThan(1e-6)
  }
  expect(model.calledSubmodules()).toEqual(['lstm', 'gru', 'fc'])
})
