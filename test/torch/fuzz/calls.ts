import fc from 'fast-check'

/** What scripts/generate_operators.mjs reads from a schema. */
export interface Parameter {
  type: string
  name: string
  optional: boolean
  keywordOnly: boolean
}

export interface Operator {
  /** With its overload, as `aten::add.Tensor` or `aten::relu.default`. */
  name: string
  parameters: readonly Parameter[]
}

export interface TensorValue {
  shape: number[]
  dtype: string
  form: 'dense' | 'transposed' | 'gaps' | 'expanded' | 'sparse'
  requiresGrad: boolean
}

/** Values as JSON, so that a call can be sent to a process and printed as a reproducer. */
export type CallValue =
  | TensorValue
  | { bigint: string }
  | { float: string }
  | { generator: number }
  | { complex: [number, number] }
  | number
  | string
  | boolean
  | null
  | CallValue[]

export interface Call {
  operator: string
  positional: CallValue[]
  keyword: Record<string, CallValue>
}

const pick = <T>(...values: T[]) => fc.constantFrom(...values)
const dtype = pick(
  'float32',
  'float64',
  'int64',
  'int32',
  'uint8',
  'bool',
  'complex64',
  'float16',
  'bfloat16',
  'int8',
  'complex128',
  'quint8',
  'uint16',
  'float8_e4m3fn',
)
const shape = fc.array(pick(0, 1, 1, 2, 3, 3, 4, 5), { maxLength: 5 })
/** What many operators want: a batch, a square matrix, images. */
const usualShape = pick([3], [4, 4], [2, 3], [2, 3, 3], [1, 2, 4, 4])
const form = fc.oneof(
  { weight: 6, arbitrary: pick('dense' as const) },
  {
    weight: 4,
    arbitrary: pick('transposed' as const, 'gaps' as const, 'expanded' as const, 'sparse' as const),
  },
)
const chance = (percent: number) => fc.nat({ max: 99 }).map((roll) => roll < percent)

/** Small ones for the most part; the large are too large to allocate, so that an operator that tries fails at once. */
const int: fc.Arbitrary<CallValue> = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: -3, max: 6 }) },
  {
    weight: 1,
    arbitrary: pick<CallValue>(
      2 ** 50,
      -(2 ** 50),
      { bigint: '9223372036854775807' },
      { bigint: '-9223372036854775808' },
    ),
  },
)
const float: fc.Arbitrary<CallValue> = fc.oneof(
  { weight: 8, arbitrary: pick(0, 1, -1, 0.5, 2.5, 1e-5, -3.25) },
  { weight: 1, arbitrary: pick<CallValue>({ float: 'NaN' }, { float: 'Infinity' }, 1e300) },
)
const text = pick(
  'mean',
  'none',
  'sum',
  'reflect',
  'constant',
  'ij',
  'xy',
  'fro',
  'nuc',
  'floor',
  'trunc',
  'zeros',
  'tanh',
  'left',
  'right',
  'linear',
  'prod',
  'amax',
  'U',
  'reduced',
  '',
  'ф',
  'nonsense',
  'ii->i',
  'ij,jk->ik',
  'same',
  'valid',
)

/** A tensor: for the most part of the shape and the dtype that are this call's, so that many calls succeed. */
function tensor(base: TensorValue): fc.Arbitrary<TensorValue> {
  const own = fc.record({ shape, dtype, form, requiresGrad: chance(10) })
  return fc.oneof(
    { weight: 6, arbitrary: form.map((other) => ({ ...base, form: other })) },
    { weight: 2, arbitrary: shape.map((other) => ({ ...base, shape: other })) },
    { weight: 1, arbitrary: dtype.map((other) => ({ ...base, dtype: other })) },
    { weight: 2, arbitrary: own },
  )
}

function valueFor(type: string, base: TensorValue): fc.Arbitrary<CallValue> {
  const plain = type.replace(/\([^()]*\)/g, '')
  if (plain.endsWith('?')) return fc.oneof(pick(null), valueFor(plain.slice(0, -1), base))
  const list = plain.match(/^(.*)\[(\d*)\]$/)
  if (list) {
    const element = valueFor(list[1]!, base)
    const wanted = list[2]
      ? fc.array(element, { minLength: Number(list[2]), maxLength: Number(list[2]) })
      : undefined
    const any = fc.array(element, { maxLength: 4 })
    return wanted ? fc.oneof({ weight: 3, arbitrary: wanted }, { weight: 1, arbitrary: any }) : any
  }
  switch (plain) {
    case 'Tensor':
      return tensor(base)
    case 'int':
    case 'SymInt':
      return int
    case 'float':
    case 'SymFloat':
      return float
    case 'Scalar':
    case 'complex':
      return fc.oneof(
        { weight: 3, arbitrary: int },
        { weight: 3, arbitrary: float },
        { weight: 1, arbitrary: fc.boolean() },
        { weight: 1, arbitrary: pick<CallValue>({ complex: [1, -2] }, { complex: [0, 0] }) },
      )
    case 'bool':
    case 'SymBool':
      return fc.boolean()
    case 'str':
      return text
    case 'ScalarType':
      return dtype
    case 'Layout':
      return pick('strided', 'sparse_coo', 'sparse_csr')
    case 'MemoryFormat':
      return pick('contiguous_format', 'channels_last', 'preserve_format')
    case 'Device':
      return pick('cpu', 'meta')
    case 'Generator':
      return pick({ generator: 1 })
    default:
      return pick(null)
  }
}

/** A value of a kind that was not asked for. */
const anything = (base: TensorValue): fc.Arbitrary<CallValue> =>
  fc.oneof(
    tensor(base),
    int,
    float,
    text,
    fc.boolean(),
    pick(null),
    fc.array(int, { maxLength: 3 }),
    fc.array(tensor(base), { maxLength: 2 }),
  )

/** Calls of the operator `name` (with its overload) with values that its schema asks for, and now and then others. */
export function callOf({ name: operator, parameters }: Operator): fc.Arbitrary<Call> {
  return fc
    .record({
      shape: fc.oneof(usualShape, shape),
      dtype: fc.oneof({ weight: 3, arbitrary: pick('float32') }, { weight: 2, arbitrary: dtype }),
      requiresGrad: chance(20),
    })
    .chain((base) => {
      const first: TensorValue = { ...base, form: 'dense' }
      const values = parameters.map(({ type }) =>
        fc.oneof({ weight: 40, arbitrary: valueFor(type, first) }, { weight: 1, arbitrary: anything(first) }),
      )
      return fc
        .record({ values: fc.tuple(...values), given: fc.tuple(...parameters.map(() => chance(50))) })
        .map(({ values, given }) => {
          const call: Call = { operator, positional: [], keyword: {} }
          let byPosition = true
          parameters.forEach(({ name, optional, keywordOnly }, i) => {
            if (optional && !given[i]) byPosition = false
            else if (keywordOnly || !byPosition) call.keyword[name] = values[i]!
            else call.positional.push(values[i]!)
          })
          return call
        })
    })
}
