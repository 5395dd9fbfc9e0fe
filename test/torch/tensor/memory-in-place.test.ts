import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ScriptModule, type Tensor, torch } from '../../../src/index.js'
import { callOperator, emptyCache } from '../../../src/torch/index.js'

import { demoModel } from '../../support/paths.js'

const code = (code: string) => expect.objectContaining({ code })
const size = 1 << 20

/** Whether the call throws, sync or async, since it would take the memory away. */
async function refused(call: () => unknown): Promise<string> {
  try {
    await call()
    return 'done'
  } catch (error) {
    return (error as { code: string }).code
  }
}

/** Fills memory that was freed, if any was. */
function overwrite(): void {
  emptyCache()
  for (let i = 0; i < 8; i++) torch.full([size], 9).dispose()
}

describe('a tensor whose memory a typed array views', () => {
  const ways: [string, (y: Tensor) => unknown][] = [
    ['resize_', (y) => y.resize_([2 * size])],
    ['resize_as_', (y) => y.resize_as_(torch.zeros([2 * size]))],
    ['out', (y) => torch.add(torch.ones([2 * size]), 1, { out: y })],
    ['out of an overload', (y) => torch.ops.aten.cat.out([y.clone(), y.clone()], 0, { out: y })],
    [
      'out of a foreach',
      (y) => callOperator('aten::_foreach_add.Scalar_out', [torch.ones([2 * size])], 1, { out: [y] }),
    ],
    ['set_ beyond its end', (y) => callOperator('aten::set_', torch.zeros([1]), y, 0, [2 * size], [1])],
    ['resize_ on the lane', (y) => torch.async.resize_(y, [2 * size])],
    ['out on the lane', (y) => torch.async.add(torch.ones([2 * size]), 1, { out: y })],
    ['a copy on write', (y) => callOperator('aten::_lazy_clone', y)],
    ['resize_ of a view of it', (y) => y.view([size]).resize_([2 * size])],
    ['resize_ of a part of it', (y) => y.narrow(0, 8, 8).resize_([2 * size])],
    ['resize_ of what shares its storage', (y) => y.detach().resize_([2 * size])],
  ]
  it.each(ways)('keeps it where %s would take it away', async (_, take) => {
    const y = torch.zeros([size])
    const view = y.asTypedArray<Float32Array>()
    expect(await refused(() => take(y))).toBe('ERR_TORCH')
    overwrite()
    expect([view[0], view[size - 1]]).toEqual([0, 0])
    expect([y.shape, y.storage_offset()]).toEqual([[size], 0])
    y.add_(1)
    view[3] = 7
    expect([view[0], y.at(3).item()]).toEqual([1, 7])
  })

  it('says why it cannot be resized', () => {
    const y = torch.zeros([4])
    y.asTypedArray()
    expect(() => y.resize_([8])).toThrow(/asTypedArray\(\).*clone\(\) has memory of its own/)
    expect(y.resize_([2]).shape).toEqual([2])
    expect(y.clone().resize_([8]).shape).toEqual([8])
  })

  it('is a whole tensor still, if it could not grow', async () => {
    const whole = [
      torch.zeros([4]),
      torch.fromBuffer(new Float32Array(4)),
      torch.zeros([2, 4]).narrow(0, 1, 1).squeeze(0),
    ]
    for (const y of whole) y.asTypedArray()
    const grow: ((y: Tensor) => unknown)[] = [
      (y) => y.resize_([size]),
      (y) => y.resize_as_(torch.zeros([size, 2])),
      (y) => torch.add(torch.ones([size]), 1, { out: y }),
      (y) => torch.async.add(torch.ones([size]), 1, { out: y }),
      (y) => callOperator('aten::set_', y, y, 0, [size], [1]),
      (y) => callOperator('aten::set_', y, y, size, [4], [1]),
      (y) => callOperator('aten::set_', torch.zeros([size]), y, 0, [size], [1]),
    ]
    for (const y of whole) {
      for (const call of grow) expect(await refused(() => call(y))).toBe('ERR_TORCH')
      expect([y.shape, y.toArray(), y.add(1).sum().item()]).toEqual([[4], [0, 0, 0, 0], 4])
    }
  })

  it.each([
    ['set_', (y: Tensor, other: Tensor) => callOperator('aten::set_', y, other)],
    ['set_data', (y: Tensor, other: Tensor) => callOperator('aten::set_data', y, other)],
    ['set_ on the lane', (y: Tensor, other: Tensor) => torch.async.set_(y, other)],
  ])('leaves it to the array where %s gives the tensor another', async (_, exchange) => {
    const y = torch.full([size], 5, { dtype: 'float32' })
    const view = y.asTypedArray<Float32Array>()
    await exchange(y, torch.zeros([size]))
    overwrite()
    y.dispose()
    overwrite()
    expect([view[0], view[size - 1]]).toEqual([5, 5])
  })

  it('shows what setAt writes, and the other way round', () => {
    const y = torch.zeros([2, 2])
    const view = y.asTypedArray<Float32Array>()
    y.setAt([1, 0], 4)
    view[3] = 5
    expect([...view, ...y.toTypedArray()]).toEqual([0, 0, 4, 5, 0, 0, 4, 5])
  })

  it('outlives its module', async () => {
    let module: ScriptModule | null = await ScriptModule.load(demoModel)
    const bias = module.namedParameters().get('fc.bias')!.detach()
    const before = bias.toArray()
    const view = bias.asTypedArray<Float32Array>()
    await module.to({ dtype: 'float64' })
    bias.dispose()
    module.dispose()
    module = null
    overwrite()
    expect([...view]).toEqual(before)
  })

  it('has some', () => {
    const none = callOperator('aten::_efficientzerotensor', [4]) as Tensor
    expect(() => none.asTypedArray()).toThrow(code('ERR_NOT_VIEWABLE'))
    expect([...none.toTypedArray()]).toEqual([0, 0, 0, 0])
  })

  it('is that of a tensor that was a copy on write before', () => {
    const y = torch.zeros([size])
    const copy = callOperator('aten::_lazy_clone', y) as Tensor
    const view = y.asTypedArray<Float32Array>()
    y.add_(1)
    copy.dispose()
    overwrite()
    expect([view[0], y.at(0).item()]).toEqual([1, 1])
  })
})

describe('a tensor that a pending operator writes to', () => {
  it('is not read before', async () => {
    const y = torch.zeros([size])
    const adding = torch.async.add_(y, 1)
    for (const read of [
      () => y.sum(),
      () => torch.add(1, y),
      () => torch.cat([torch.ones([1]), y]),
      () => y.toTypedArray(),
      () => y.asTypedArray(),
      () => y.at(0).item(),
      () => y.view([size]).add(1),
      () => y.to('float64'),
      () => y.reshape([2, -1]),
      () => y.view([2, -1]).t().flatten(),
      () => torch.zeros([1]).setAt([0], y.narrow(0, 0, 1)),
    ]) {
      expect(read).toThrow(code('ERR_BUSY'))
    }
    expect(y.shape).toEqual([size])
    expect(inspect(y)).toBe('Tensor (a pending operator writes to it)')
    const summed = torch.async.sum(y) // in its turn
    expect((await summed).item()).toBe(size)
    expect(await adding).toBe(y)
    expect(y.sum().item()).toBe(size)
  })

  it.each([
    ['resizes', (y: Tensor) => torch.async.resize_(y, [2 * size])],
    ['has it for out', (y: Tensor) => torch.async.add(torch.ones([2 * size]), 1, { out: y })],
    ['exchanges its memory', (y: Tensor) => torch.async.set_(y, torch.zeros([2 * size]))],
  ])('is not even looked at if that one %s', async (_, change) => {
    const y = torch.zeros([0])
    const changing = change(y)
    expect(() => y.shape).toThrow(code('ERR_BUSY'))
    expect(() => y.view([-1])).toThrow(code('ERR_BUSY'))
    await changing
    expect(y.shape).toEqual([2 * size])
  })

  it('is a weight, while its module moves', async () => {
    const module = await ScriptModule.load(demoModel)
    const bias = module.namedParameters().get('fc.bias')!
    const moving = module.to({ dtype: 'float64' })
    expect(() => bias.sum()).toThrow(code('ERR_BUSY'))
    expect(() => bias.shape).toThrow(code('ERR_BUSY'))
    await moving
    expect(bias.dtype).toBe('float64')
  })
})

describe('a module that is shared', () => {
  it('keeps the memory of its weights, which other threads may be reading', async () => {
    const module = await ScriptModule.load(demoModel)
    module.share()
    const bias = module.namedParameters().get('fc.bias')!.detach()
    const weight = module.namedParameters().get('fc.bias')!.requires_grad_(false)
    expect(() => bias.resize_([1000])).toThrow(code('ERR_TORCH'))
    expect(() => callOperator('aten::set_', weight, torch.zeros([10]))).toThrow(code('ERR_BUSY'))
    expect(() => callOperator('aten::set_data', weight, torch.zeros([10]))).toThrow(code('ERR_BUSY'))
    await expect(torch.async.set_(weight, torch.zeros([10]))).rejects.toThrow(code('ERR_BUSY'))
    await expect(module.to({ dtype: 'float64' })).rejects.toThrow(code('ERR_BUSY'))
    expect(() => callOperator('aten::_lazy_clone', weight)).toThrow(code('ERR_TORCH'))
    expect(await (await module.clone()).to({ dtype: 'float64' })).toBeInstanceOf(ScriptModule)
    weight.fill_(2)
    expect(bias.sum().item()).toBe(20)
  })

  it('has no weights on the memory of one thread alone', async () => {
    const module = await ScriptModule.load(demoModel)
    const bias = module.namedParameters().get('fc.bias')!
    callOperator('aten::set_data', bias, torch.fromBuffer(new Float32Array(10)))
    expect(() => module.share()).toThrow(code('ERR_INVALID_ARGUMENT'))
  })
})
