import { describe, expect, it } from 'vitest'

import { terminate } from '../support/terminate.js'

describe('the process lives when its workers are terminated', () => {
  it.each([
    'shape',
    'array',
    'nested',
    'large',
    'garbage',
    'buffers',
    'errors',
    'arguments',
    'maps',
    'disposed',
    'async',
    'hooks',
    'gradients',
    'loads',
  ])('in a loop of %s', async (loop) => {
    expect(await terminate(loop)).toBe('lives')
  })
})
