import { describe, expect, it } from 'vitest'

import { binding } from '../../src/torch/native/binding.js'

const script = new URL('../../scripts/generate_operators.mjs', import.meta.url).href
const { splitTopLevel, typescriptType, parseSchema, signatures, generate, generatePackets } = await import(
  script
)

describe('splitTopLevel', () => {
  it.each([
    ['', []],
    ['int a', ['int a']],
    ['int a, int b', ['int a', 'int b']],
    ['int[2] a=[1, 2], *, str b', ['int[2] a=[1, 2]', '*', 'str b']],
    ['(int, int) a, Dict(str, int) b', ['(int, int) a', 'Dict(str, int) b']],
    [`str a="x, (y", str b='[', int c`, ['str a="x, (y"', `str b='['`, 'int c']],
    [String.raw`str a="\", ", int b`, [String.raw`str a="\", "`, 'int b']],
  ])('%s', (text, parts) => {
    expect(splitTopLevel(text)).toEqual(parts)
  })
})

describe('parseSchema', () => {
  it('reports names, overloads, keyword-only and optional parameters, and results', () => {
    const schema = 'aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor'
    const parameter = { optional: false, keywordOnly: false }
    expect(parseSchema(schema)).toEqual({
      namespace: 'aten',
      name: 'add',
      overload: 'Tensor',
      schema,
      returns: ['Tensor'],
      parameters: [
        { ...parameter, type: 'Tensor', name: 'self' },
        { ...parameter, type: 'Tensor', name: 'other' },
        { type: 'Scalar', name: 'alpha', optional: true, keywordOnly: true },
      ],
    })
  })

  const parsed = (parameters: string, returns: string) => parseSchema(`a::b(${parameters}) -> ${returns}`)

  it('reads defaults with commas, brackets and text', () => {
    const { parameters } = parsed(
      'int[2] a=[0, 0], str b="mean, (x", float c=1e-05, Tensor? d=None, bool[3] e=[True, True, False]',
      '()',
    )
    expect(parameters.map(({ name }: { name: string }) => name)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(parameters.every(({ optional }: { optional: boolean }) => optional)).toBe(true)
  })

  it('reads annotated types and several results, with and without names', () => {
    const schema = parsed(
      'Tensor(a!)[]? x, Dict(str, Tensor) d, (Tensor, int)? t',
      '(Tensor(a!) out, Tensor[], Dict(str, int) d)',
    )
    expect(schema.parameters.map(({ type }: { type: string }) => type)).toEqual([
      'Tensor(a!)[]?',
      'Dict(str, Tensor)',
      '(Tensor, int)?',
    ])
    expect(schema.returns).toEqual(['Tensor(a!)', 'Tensor[]', 'Dict(str, int)'])
    expect(parsed('', '()').returns).toEqual([])
    expect(parsed('', 'Tensor(a)[] parts').returns).toEqual(['Tensor(a)[]'])
  })

  it('keeps names apart, and takes any number of values for none', () => {
    const names = parsed('float? posinf, float? posinf', 'Tensor').parameters
    expect(names.map(({ name }: { name: string }) => name)).toEqual(['posinf', 'posinf_2'])
    expect(parsed('...', '...')).toMatchObject({ parameters: [], returns: ['...'] })
  })
})

describe('typescriptType', () => {
  const names = { Tensor: 'Tensor', int: 'number | bigint', str: 'string' }

  it.each([
    ['Tensor', 'Tensor'],
    ['Tensor(a!)', 'Tensor'],
    ['Tensor(a -> *)', 'Tensor'],
    ['Tensor?', 'Tensor | null'],
    ['Tensor(a!)[]?', 'readonly (Tensor)[] | null'],
    ['Tensor?[]', 'readonly (Tensor | null)[]'],
    ['int[2]', 'readonly (number | bigint)[] | number | bigint'],
    ['int[2]?', 'readonly (number | bigint)[] | number | bigint | null'],
    ['str[]', 'readonly (string)[]'],
    ['__torch__.torch.classes.quantized.Conv2dPackedParamsBase', 'NativeObject'],
    ['__torch__.torch.classes.rnn.CellParamsBase[]', 'readonly (NativeObject)[]'],
    ['Dict(str, Tensor[])', 'Map<string, readonly (Tensor)[]>'],
    ['Dict(str, int)?', 'Map<string, number | bigint> | null'],
    ['(Tensor, str)[]', 'readonly ([Tensor, string])[]'],
    ['Tensor[](a!)', 'readonly (Tensor)[]'],
    ['Storage', 'unknown'],
    ['Any', 'unknown'],
  ])('%s', (type, expected) => {
    expect(typescriptType(type, names)).toBe(expected)
  })
})

describe('signatures', () => {
  const of = (schema: string, options?: object) => signatures(parseSchema(schema), options)

  it('take optional arguments by position or by name', () => {
    expect(of('aten::f(Tensor self, int dim=0, *, bool keep=False) -> (Tensor, Tensor[])')).toEqual([
      '(self: Tensor, dim?: number | bigint, options?: { keep?: boolean }): [Tensor, Tensor[]]',
      '(self: Tensor, options?: { dim?: number | bigint; keep?: boolean }): [Tensor, Tensor[]]',
    ])
  })

  it('take required arguments after the tensors by name too', () => {
    expect(of('aten::f(Tensor self, Tensor[] others, int[1]? dim, bool keep=False) -> Tensor')).toEqual([
      '(self: Tensor, others: readonly (Tensor)[], dim: readonly (number | bigint)[] | number | bigint | null, keep?: boolean): Tensor',
      '(self: Tensor, others: readonly (Tensor)[], dim: readonly (number | bigint)[] | number | bigint | null, options?: { keep?: boolean }): Tensor',
      '(self: Tensor, others: readonly (Tensor)[], options: { dim: readonly (number | bigint)[] | number | bigint | null; keep?: boolean }): Tensor',
    ])
  })

  it('want what the schema wants', () => {
    expect(of('aten::f(Tensor self, *, Tensor(a!) out) -> Tensor(a!)')).toEqual([
      '(self: Tensor, options: { out: Tensor }): Tensor',
    ])
    expect(of('aten::f(Tensor self, int dim=0, *, Tensor(a!) out) -> Tensor(a!)')).toEqual([
      '(self: Tensor, dim: number | bigint, options: { out: Tensor }): Tensor',
      '(self: Tensor, options: { dim?: number | bigint; out: Tensor }): Tensor',
    ])
  })

  it('leave self out of methods, and promise under async', () => {
    expect(of('aten::f(Tensor(a!) self) -> ()', { method: true })).toEqual(['(): void'])
    expect(of('aten::f(Tensor self) -> bool', { promise: true })).toEqual([
      '(self: Tensor): Promise<boolean>',
    ])
  })

  it('give no parameter a reserved name, but options theirs', () => {
    expect(of('aten::f(Tensor in, *, int default=1) -> int')).toEqual([
      '(in_: Tensor, options?: { default?: number | bigint }): number',
    ])
  })
})

describe('the linked libtorch', () => {
  const schemas = binding.operatorSchemas()

  it('has no schema with a type that is not known but for a few that JavaScript has no values for', () => {
    const unknown = new Set<string>()
    for (const schema of schemas) {
      const { parameters, returns } = parseSchema(schema)
      for (const { type } of parameters) unknown.add(type)
      for (const type of returns) unknown.add(type)
    }
    const untyped = [...unknown].filter((type) => /\bunknown\b/.test(typescriptType(type, plain)))
    expect(untyped.sort()).toEqual(['...', 'Any', 'QScheme', 'Storage', 'Stream'])
  })

  it('has a reserved word for no operator that its text could not hold', () => {
    const text: string = generatePackets(
      ['a::import(Tensor self) -> Tensor', 'a::delete.new(int function) -> ()', '_a::b() -> int'],
      '0.0.0',
    )
    expect(text).toContain('readonly import: {')
    expect(text).toContain('readonly new: { (function_: number | bigint): void; ')
    expect(text).toContain('interface _APackets')
  })

  it('is written down whole', () => {
    const text: string = generate(schemas, '0.0.0')
    const packets: string = generatePackets(schemas, '0.0.0')
    for (const schema of schemas) {
      if (schema.startsWith('aten::')) expect(text.includes(`\`${schema}\``), schema).toBe(true)
      expect(packets.includes(`\`${schema}\``), schema).toBe(true)
    }
  })
})

/** Any text but `unknown` for each plain type of the schemas. */
const plain = Object.fromEntries(
  'Tensor Scalar int SymInt float SymFloat bool SymBool str complex ScalarType Layout MemoryFormat Device Generator'
    .split(' ')
    .map((name) => [name, name]),
)
