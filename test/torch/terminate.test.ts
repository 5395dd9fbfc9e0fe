import { describe, expect, it } from 'vitest'

import { terminate } from '../support/terminate.js'

describe('the process lives when its workers are terminated', () => {
  it('during import', async () => {
    expect(await terminate('import')).toBe('lives')
  })

  it('sixteen at once, each in another kind of work', async () => {
    expect(await terminate('sixteen')).toBe('lives')
  })

  it('by process.exit in a hook', async () => {
    expect(await terminate('exits')).toBe('lives')
  })

  it('for a full heap', async () => {
    expect(await terminate('heap')).toBe('lives')
  })
})

describe('a script that runs out of time', () => {
  it('is ended in the middle of tensor code, and its thread continues', async () => {
    expect(await terminate('timeout')).toBe('lives')
  })
})
