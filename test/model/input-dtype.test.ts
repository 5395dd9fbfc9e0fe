import { describe, expect, it } from 'vitest'
import { ScriptModule, torch } from '../../src/index.js'

import { inputDtype } from '../../src/model/input-dtype.js'
import { demoModel, fixture } from '../support/paths.js'

const dtypes = ['float16', 'bfloat16', 'float32', 'float64'] as const

describe('inputDtype', () => {
  // Tries which dtypes a forward takes. The answer must be the only one, or null if all of them work.
  it.each([
    'float16',
    'bfloat16',
    'float64',
    'half_head',
    'head_first',
    'casts',
    'centred',
    'branches',
    'frozen',
    'traced',
  ])('%s: is the dtype that its forward takes', async (name) => {
    const model = (await ScriptModule.load(fixture(`precision.${name}.pt`))).eval()
    const taken: string[] = []
    for (const dtype of dtypes) {
      const ran = await torch
        .noGrad(() => model.forward(torch.zeros([2, 1, 28, 28], { dtype })))
        .then(
          () => true,
          () => false,
        )
      if (ran) taken.push(dtype)
    }
    expect(taken).toEqual(name === 'casts' ? [...dtypes] : [inputDtype(model)])
    if (name === 'casts') expect(inputDtype(model)).toBeNull()
  })

  it('is float32 of an ordinary model, and follows to()', async () => {
    const model = await ScriptModule.load(demoModel)
    expect(inputDtype(model)).toBe('float32')
    await model.to({ dtype: 'bfloat16' })
    expect(inputDtype(model)).toBe('bfloat16')
    expect(inputDtype(await ScriptModule.load(fixture('resnet18.frozen.pt')))).toBe('float32')
    expect(inputDtype(await ScriptModule.load(fixture('mlp.scripted.pt')))).toBe('float64')
  })
})
