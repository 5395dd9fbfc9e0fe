import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

import { loadStateDict, ScriptModule, saveStateDict, type Tensor, torch } from '../../../src/index.js'
import { fixture, temporaryFolder } from '../../support/paths.js'

const load = () => ScriptModule.load(fixture('mlp.scripted.pt'))
const renamed = (state: ReadonlyMap<string, Tensor>, name: (name: string) => string) =>
  new Map([...state].map(([key, tensor]) => [name(key), tensor.clone()]))

describe('a state dict that does not fit', () => {
  it.each(['module.', '_orig_mod.', 'model.backbone.'])(
    'for the prefix %s names it, and how to take it off',
    async (prefix) => {
      const model = await load()
      const state = renamed(model.stateDict(), (name) => prefix + name)
      const message = (() => {
        try {
          model.loadStateDict(state)
        } catch (error) {
          return (error as Error).message
        }
        return ''
      })()
      expect(message).toContain(`do not begin with '${prefix}'`)
      expect(message).toContain(`loadStateDict(FILE, { stripPrefix: '${prefix}' })`)
      const file = join(temporaryFolder(), 'weights.pth')
      await saveStateDict(file, state)
      const stripped = await loadStateDict(file, { stripPrefix: prefix })
      expect(model.loadStateDict(stripped)).toEqual({ missingKeys: [], unexpectedKeys: [] })
    },
  )

  it('for a prefix names it also when other tensors come first, as the counter of an AveragedModel', async () => {
    const model = await load()
    const state = new Map([['n_averaged', torch.ones([])]])
    for (const [name, tensor] of model.stateDict()) state.set(`module.${name}`, tensor)
    expect(() => model.loadStateDict(state)).toThrow(/\{ stripPrefix: 'module\.' \}.*\n.*"n_averaged"/)
  })

  it('in some names only is reported with these names', async () => {
    const model = await load()
    const state = renamed(model.stateDict(), (name) => name.replace(/^2\./, ''))
    expect(() => model.loadStateDict(state)).toThrow(/does not fit .*:\n {2}Unexpected key/)
  })

  it('for complex numbers in the place of real ones is refused, and nothing is written', async () => {
    const model = await load()
    const before = [...model.stateDict().values()].map((tensor) => tensor.toArray())
    const state = new Map([...model.stateDict()].map(([name, tensor]) => [name, tensor.mul(2)]))
    const last = [...state.keys()].at(-1)!
    state.set(last, torch.complex(state.get(last)!, torch.ones_like(state.get(last)!)))
    expect(() => model.loadStateDict(state)).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE', message: expect.stringContaining(`'${last}'`) }),
    )
    expect([...model.stateDict().values()].map((tensor) => tensor.toArray())).toEqual(before)
  })
})
