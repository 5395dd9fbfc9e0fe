import assert from 'node:assert'
import { serialize } from 'node:v8'
import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { complex, ScriptModule, scope, type Tensor, torch } from '../../../src/index.js'

import { fixture } from '../../support/paths.js'

const code = (code: string) => expect.objectContaining({ code })

describe('tensors that are compared field by field', () => {
  const pairs: [string, Tensor, Tensor][] = [
    ['others', torch.ones([3]), torch.zeros([3])],
    ['equal ones', torch.ones([3]), torch.ones([3])],
    ['scalars', torch.tensor(1), torch.tensor(2)],
    ['of no elements', torch.zeros([0]), torch.zeros([0, 5])],
  ]
  it.each(pairs)('are never equal: %s', (_, a, b) => {
    expect(() => assert.deepStrictEqual(a, b)).toThrow(assert.AssertionError)
    expect(() => assert.deepEqual(a, b)).toThrow(assert.AssertionError)
    expect(() => assert.deepStrictEqual({ logits: [a] }, { logits: [b] })).toThrow(assert.AssertionError)
    expect(() => expect(a).toEqual(b)).toThrow()
    expect(() => expect({ a }).toStrictEqual({ a: b })).toThrow()
  })

  it('are equal to themselves', () => {
    const a = torch.ones([2])
    assert.deepStrictEqual({ a }, { a })
    assert.deepEqual([a], [a])
  })

  it('are told to be compared by allclose', () => {
    expect(() => expect(torch.ones([2])).toEqual(torch.ones([2]))).toThrow(
      /torch\.equal\(a, b\) or a\.allclose\(b\)/,
    )
    expect(torch.ones([2]).allclose(torch.ones([2]))).toBe(true)
  })
})

describe('cloning', () => {
  it('is refused, with what to post instead', async () => {
    const module = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const { port1, port2 } = new MessageChannel()
    for (const [value, text] of [
      [torch.ones([2]), 'toTypedArray()'],
      [module, 'share()'],
      [new torch.Generator(1), 'getState()'],
    ] as const) {
      for (const clone of [structuredClone, serialize, (of: unknown) => port1.postMessage(of)]) {
        expect(() => clone(value), text).toThrow(text)
        expect(() => clone({ nested: [value] }), text).toThrow('could not be cloned')
      }
    }
    expect(structuredClone(module.share())).toEqual(module.share())
    port1.close()
    port2.close()
  })
})

describe('JSON', () => {
  it('has the elements of a tensor', () => {
    expect(JSON.stringify({ logits: torch.tensor([[1, 2.5]]), top: torch.tensor(3) })).toBe(
      '{"logits":[[1,2.5]],"top":3}',
    )
    expect(JSON.stringify(torch.tensor([true]))).toBe('[1]')
    expect(JSON.stringify(torch.zeros([2, 0]))).toBe('[[],[]]')
    expect(JSON.stringify(torch.tensor([complex(1, 2)]))).toBe('[{"re":1,"im":2}]')
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'does not turn %s into null',
    (value) => {
      expect(() => JSON.stringify(torch.tensor([[1, value]]))).toThrow(code('ERR_RANGE'))
      expect(() => JSON.stringify(torch.tensor([complex(0, value)]))).toThrow(code('ERR_RANGE'))
    },
  )

  it('does not round integers, nor know what was disposed of', () => {
    expect(() => JSON.stringify(torch.tensor([2n ** 60n]))).toThrow(code('ERR_RANGE'))
    const gone = torch.ones([1])
    gone.dispose()
    expect(() => JSON.stringify(gone)).toThrow(code('ERR_DISPOSED'))
  })

  it('is refused of modules and generators', async () => {
    const module = await ScriptModule.load(fixture('mlp.scripted.pt'))
    expect(() => JSON.stringify({ module })).toThrow(code('ERR_NOT_SERIALIZABLE'))
    expect(() => JSON.stringify(new torch.Generator(1))).toThrow(code('ERR_NOT_SERIALIZABLE'))
  })
})

describe("JavaScript's own operators", () => {
  // biome-ignore lint/suspicious/noExplicitAny: TypeScript refuses them
  const one: any = torch.tensor([2.5])
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const many: any = torch.tensor([1, 2])

  it('take a tensor of one element for its number', () => {
    expect([+one, one + one, one * 2, one < 3, `${'loss '}${+one}`]).toEqual([2.5, 5, 5, true, 'loss 2.5'])
    // biome-ignore lint/suspicious/noDoubleEquals: what it does is held here
    expect([one == 2.5, one == null, 'loss '.concat('') + one]).toEqual([true, false, 'loss 2.5'])
    // biome-ignore lint/suspicious/noExplicitAny: as above
    expect(+(torch.tensor(7, { dtype: 'int64' }) as any)).toBe(7)
  })

  it('refuse others, with the way', () => {
    for (const use of [
      () => +many,
      () => many + many,
      () => many - 1,
      () => many > 0,
      () => 'x: '.concat('') + many,
    ]) {
      expect(use).toThrow(code('ERR_SHAPE'))
      expect(use).toThrow(/a\.add\(b\)/)
    }
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const imaginary: any = torch.tensor([complex(0, 1)])
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const z: any = complex(0, 1)
    for (const use of [() => +imaginary, () => imaginary + 1, () => +z, () => z + z, () => z < 1]) {
      expect(use).toThrow(code('ERR_DTYPE'))
    }
    // biome-ignore lint/suspicious/noExplicitAny: as above
    expect(() => +(torch.tensor([2n ** 60n]) as any)).toThrow(code('ERR_RANGE'))
  })

  it('print in a template', () => {
    expect(`${many} ${torch.tensor(1)} ${complex(1, 2)} ${String(many)}`).toBe(
      'tensor([1., 2.]) tensor(1.) (1+2j) tensor([1., 2.])',
    )
  })
})

describe('an operator that writes', () => {
  it('returns the tensor that it wrote to, as in Python', async () => {
    const x = torch.tensor([-1, 0.5, 2])
    const y = torch.zeros([3])
    expect(x.clamp_(0, 1)).toBe(x)
    expect(x.add_(1).mul_(2)).toBe(x)
    expect(x.copy_(y, { non_blocking: false })).toBe(x)
    expect(x.unsqueeze_(0)).toBe(x)
    expect(torch.relu_(x)).toBe(x)
    expect(torch.ops.aten.add_.Tensor(x, torch.ones([1]))).toBe(x)
    expect(torch.add(torch.ones([3]), 1, { out: y })).toBe(y)
    expect(torch.sum(torch.ones([2, 3]), 0, { out: y })).toBe(y)
    expect(x.requires_grad_(false)).toBe(x)
    expect(x.setAt([0, 0], 1)).toBe(x)
    expect(await torch.async.add_(x, 1)).toBe(x)
    expect(await torch.async.add(x, 1, { out: x })).toBe(x)
    expect([x.toArray(), y.toArray()]).toEqual([[[3, 3, 3]], [2, 2, 2]])
    expect(x.add(0) === x).toBe(false)
  })

  it('leaves it to the scope that it was made in', () => {
    const x = torch.ones([2])
    const same = scope(() => x.add_(1))
    expect([same === x, x.disposed, x.toArray()]).toEqual([true, false, [2, 2]])
    const made = scope(() => torch.ones([2]).add_(1))
    expect([made.disposed, made.toArray()]).toEqual([false, [2, 2]])
  })

  it('throws for a tensor that was disposed of, and leaves the others alone', () => {
    const gone = torch.ones([2])
    gone.dispose()
    expect(() => gone.add_(1)).toThrow(code('ERR_DISPOSED'))
    expect(() => torch.add(torch.ones([3]), 1, { out: gone })).toThrow(code('ERR_DISPOSED'))
    expect([gone.disposed, torch.ones([2]).add_(1).toArray()]).toEqual([true, [2, 2]])
  })
})
