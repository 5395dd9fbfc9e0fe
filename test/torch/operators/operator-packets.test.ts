import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Tensor, torch } from '../../../src/index.js'
import type { DType } from '../../../src/torch/index.js'

import { binding } from '../../../src/torch/native/binding.js'

const unknown = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_OPERATOR_UNKNOWN', message: expect.stringMatching(message) })

describe('torch.ops', () => {
  it('reaches every operator that is registered, and each of its overloads', () => {
    const ops = torch.ops as unknown as Record<string, Record<string, Record<string, unknown>>>
    const schemas = binding.operatorSchemas()
    expect(schemas.length).toBeGreaterThan(3000)
    for (const schema of schemas) {
      const [namespace, name, overload = 'default'] = schema.slice(0, schema.indexOf('(')).split(/::|\./)
      expect(ops[namespace!]![name!]).toBeTypeOf('function')
      expect(ops[namespace!]![name!]![overload]).toBeTypeOf('function')
    }
  })

  it('resolves overloads by the arguments, or calls just one', () => {
    const x = torch.tensor([1, 2])
    expect(torch.ops.aten.add(x, x, { alpha: 2 }).toArray()).toEqual([3, 6])
    expect(torch.ops.aten.add.Tensor(x, x).toArray()).toEqual([2, 4])
    expect(torch.ops.aten.add.Scalar(x, 1).toArray()).toEqual([2, 3])
    expect(torch.ops.aten.relu.default(x)).toBeInstanceOf(Tensor)
    // @ts-expect-error: out is missing
    expect(() => torch.ops.aten.argmax.out(x)).toThrow("'out' (Tensor) is missing")
  })

  it('reaches namespaces beside aten', () => {
    const x = torch.quantize_per_tensor(torch.tensor([1, 2]), 0.5, 0, 'quint8' as DType)
    const sum = torch.ops.quantized.add(x, x, 0.5, 0)
    expect(sum.dequantize().toArray()).toEqual([2, 4])
  })

  it('keeps what it looked up', () => {
    expect(torch.ops.aten).toBe(torch.ops.aten)
    expect(torch.ops.aten.matmul).toBe(torch.ops.aten.matmul)
    expect(torch.ops.aten.add.Tensor).toBe(torch.ops.aten.add.Tensor)
    expect('matmul' in torch.ops.aten).toBe(true)
    expect('matmull' in torch.ops.aten).toBe(false)
  })

  it('says which names are near to one that there is not', () => {
    const ops = torch.ops as unknown as Record<string, Record<string, Record<string, unknown>>>
    expect(() => ops.atem).toThrow(unknown(/namespace.*'atem'.*aten/))
    expect(() => ops.aten!.mathmul).toThrow(unknown(/'mathmul'.*matmul/))
    expect(() => ops.aten!.add!.tensor).toThrow(unknown(/aten::add.*'tensor'.*Tensor/))
  })

  it('can be awaited and printed as any object', async () => {
    expect(await torch.ops).toBe(torch.ops)
    expect(await torch.ops.aten).toBe(torch.ops.aten)
    expect(String(torch.ops.aten.add)).toContain('=>')
    expect(`${torch.ops.aten}`).toBe('[object Object]')
    expect(inspect(torch.ops)).toContain('aten')
    expect(JSON.stringify(torch.ops.quantized)).toBe('{}')
  })
})
