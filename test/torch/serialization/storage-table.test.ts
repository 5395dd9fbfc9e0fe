import { expect, it } from 'vitest'

import { PickledDType, type PickleValue } from '../../../src/torch/serialization/pickle-values.js'
import { StorageTable } from '../../../src/torch/serialization/storage-table.js'

const float32 = new PickledDType('float32')
const id = (key: string, count: PickleValue, view?: PickleValue): PickleValue => [
  'storage',
  float32,
  key,
  'cpu',
  count,
  ...(view === undefined ? [] : [view]),
]

it('knows storages by their keys, and views that lie within them', () => {
  const table = new StorageTable('x.pth')
  expect(table.of(id('0', 10))).toMatchObject({ key: '0', dtype: 'float32', bytes: 40, start: 0 })
  expect(table.of(id('0', 10, ['0.a', 4, 6]))).toMatchObject({ bytes: 24, start: 16 })
  expect(table.of(id('0', 10, ['0.b', 0, 10]))).toMatchObject({ bytes: 40, start: 0 })
  expect(table.of(id('0', 10, ['0.c', 10, 0]))).toMatchObject({ bytes: 0, start: 40 })
  expect(table.get('0')).toMatchObject({ bytes: 40, start: 0 })
  expect(() => table.get('1')).toThrow(expect.objectContaining({ code: 'ERR_DAMAGED_FILE' }))
})

it.each([
  ['a view that ends beyond it', id('0', 10, ['0.a', 5, 6]), 'does not lie within it'],
  ['a view that begins beyond it', id('0', 10, ['0.a', 11, 0]), 'does not lie within it'],
  ['a view before it', id('0', 10, ['0.a', -1, 1]), 'expected a size'],
  ['another size', id('0', 11), 'has two sizes'],
  ['an invalid size', id('1', 0.5), 'expected a size'],
  ['no storage', ['tensor', float32, '0', 'cpu', 10], 'expected a storage'],
])('refuses %s', (_, wrong, message) => {
  const table = new StorageTable('x.pth')
  table.of(id('0', 10))
  expect(() => table.of(wrong)).toThrow(message)
})
