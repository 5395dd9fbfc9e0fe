/** A value that both languages make in the same way: a tensor, the name of a dtype or the like, a generator. A whole number is an int. */
export type Given =
  | { values: unknown; dtype: string }
  | { named: string }
  | { generator: number }
  | { complex: [number, number] }
  | number
  | boolean
  | string
  | null
  | Given[]
/** A call of an operator, made here and in Python. */
export type Call = [name: string, positional: Given[], keyword?: Record<string, Given>]

const tensor = (values: unknown, dtype = 'float32'): Given => ({ values, dtype })
const named = (name: string): Given => ({ named: name })
const x = tensor([
  [1.5, -2, 3],
  [4, 5.25, -6],
])
const y = tensor([
  [2, 2, 2],
  [3, 1, 0.5],
])
const ints = tensor(
  [
    [1, 2, 3],
    [4, 5, 6],
  ],
  'int64',
)
const small = tensor([1, 2, 3], 'uint8')
const half = tensor([0.5, 1.5, 2.5], 'float16')
const bools = tensor(
  [
    [1, 0, 1],
    [0, 1, 0],
  ],
  'bool',
)
const complexes = tensor([1, -2], 'complex64')
const zero = tensor(2)
const square = tensor([
  [2, 1],
  [1, 3],
])
const image = tensor([[[...Array(4)].map((_, i) => [...Array(4)].map((_, j) => i * 4 + j))]])
const kernel = tensor([
  [
    [
      [1, 0],
      [0, -1],
    ],
  ],
])
const index = tensor([1, 0], 'int64')
const generator: Given = { generator: 7 }
const number: Given = { complex: [1, -2] }

const operands: Given[] = [2, 2.5, true, zero, y, ints, tensor(3, 'int64'), tensor(1.5, 'float64')]
const left: Given[] = [x, ints, bools]

/** Calls of operators with several overloads. */
export const calls: Call[] = [
  // Two operands of all kinds: numbers or tensors, and the dtypes that result.
  ...['add', 'mul', 'div', 'pow', 'eq'].flatMap((name) =>
    left.flatMap((a) => operands.map((b): Call => [name, [a, b]])),
  ),
  ['maximum', [x, ints]],
  ...[small, half, complexes].flatMap((a) => [2, 2.5, true].map((b): Call => ['mul', [a, b]])),
  ...['add', 'mul', 'div', 'eq'].flatMap((name) =>
    [x, ints, complexes, zero].map((a): Call => [name, [a, number]]),
  ),
  ['pow', [x, number]],
  ['pow', [number, y]],
  ['full', [[2], number]],
  ['addcmul', [complexes, complexes, complexes], { value: number }],
  ['pow', [2, x]],
  ['pow', [2, ints]],
  ['pow', [2.5, ints]],
  ['sub', [x, y], { alpha: 2 }],
  ['sub', [ints, 1, 2]],
  ['rsub', [ints, 1.5]],
  ['div', [ints, 2], { rounding_mode: 'floor' }],
  ['div', [x, y], { rounding_mode: 'trunc' }],
  ['div', [x, y], { rounding_mode: null }],
  ['remainder', [7, ints]],
  ['remainder', [ints, 2.5]],
  ['floor_divide', [ints, 2]],
  ['bitwise_and', [ints, 1]],
  ['bitwise_and', [bools, true]],
  ['bitwise_and', [3, ints]],
  ['xlogy', [2, y]],
  ['lerp', [x, y, 0.5]],
  ['lerp', [x, y, y]],
  ['where', [bools, x, y]],
  ['where', [bools, x, 2]],
  ['where', [bools, 1, 2.5]],
  ['where', [bools]],
  ['clamp', [x, 0]],
  ['clamp', [ints, 2, 4]],
  ['clamp', [ints, 2, 4.5]],
  ['clamp', [x, null, 3]],
  ['clamp', [x, y]],
  ['clamp', [x], { max: 1 }],
  ['isin', [ints, 2]],
  ['isin', [ints, index]],
  ['searchsorted', [tensor([1, 2, 3]), 2]],
  ['searchsorted', [tensor([1, 2, 3]), tensor([0, 2.5])], { right: true }],
  // Reductions over everything, one dimension, several; dtypes by keyword.
  ...['sum', 'mean', 'prod', 'any', 'all', 'std', 'var', 'argmax', 'max', 'min'].flatMap((name): Call[] => [
    [name, [x]],
    [name, [x, 1]],
    [name, [x, 0, true]],
  ]),
  ['sum', [x, [0, 1]]],
  ['sum', [x, []]],
  ['sum', [x, null]],
  ['sum', [bools]],
  ['sum', [ints], { dtype: named('float64') }],
  ['sum', [x, [1]], { keepdim: true, dtype: named('float64') }],
  ['std', [x, true]],
  ['std', [x, false]],
  ['std', [x, [0]], { correction: 0 }],
  ['std', [x], { correction: 0.5 }],
  ['var', [x, [0], false]],
  ['max', [x, y]],
  ['norm', [x]],
  ['norm', [x, 1]],
  ['norm', [x, 2, [0]]],
  ['norm', [x, null, [0], true], { dtype: named('float64') }],
  ['cumsum', [ints, 0], { dtype: named('float32') }],
  ['linalg_norm', [square]],
  ['linalg_norm', [square, 'nuc']],
  ['linalg_norm', [square, 1]],
  ['linalg_matrix_norm', [square]],
  ['linalg_matrix_norm', [square, 'fro', [0, 1], true]],
  ['quantile', [tensor([1, 2, 3, 4]), 0.5]],
  ['quantile', [tensor([1, 2, 3, 4]), tensor([0.25, 0.5])]],
  ['sort', [x]],
  ['sort', [x, 0, true]],
  ['sort', [x], { stable: true, dim: 0 }],
  ['topk', [x, 2]],
  // Shapes and pieces: one number or a list.
  ['split', [x, 1]],
  ['split', [x, [1, 2], 1]],
  ['tensor_split', [x, 2]],
  ['tensor_split', [x, [1, 2], 1]],
  ['roll', [x, 1]],
  ['roll', [x, [1, 1], [0, 1]]],
  ['repeat_interleave', [x, 2]],
  ['repeat_interleave', [x, tensor([1, 2], 'int64'), 0]],
  ['cat', [[x, y], 1]],
  ['stack', [[x, ints]]],
  ['transpose', [x, 0, 1]],
  ['squeeze', [tensor([[1, 2]])]],
  ['squeeze', [tensor([[1, 2]]), 0]],
  ['squeeze', [tensor([[1, 2]]), [0, 1]]],
  ['view', [x, [3, 2]]],
  ['view', [x, named('int32')]],
  ['to', [x, named('float64')]],
  ['to', [x, ints]],
  ['to', [x, 'cpu', named('float16')]],
  ['to', [x], { dtype: named('int32') }],
  ['contiguous', [image], { memory_format: named('channels_last') }],
  ['index', [x, [null, index]]],
  ['index', [x, [bools]]],
  ['index_put', [x, [index], zero]],
  ['masked_fill', [x, bools, 7]],
  ['masked_fill', [ints, bools, tensor(7, 'int64')]],
  ['index_fill', [x, 0, index, 2.5]],
  ['scatter', [x, 1, tensor([[0], [1]], 'int64'), 9]],
  ['scatter', [x, 1, tensor([[0], [1]], 'int64'), y]],
  ['scatter', [x, 1, tensor([[0], [1]], 'int64'), 2], { reduce: 'multiply' }],
  ['gather', [x, 1, tensor([[0], [1]], 'int64')], { sparse_grad: false }],
  ['diff', [x]],
  ['diff', [x, 1, 0, null, y]],
  // New tensors, whose dtype follows from the number.
  ['full', [[2], 3]],
  ['full', [[2], 3.5]],
  ['full', [[2], true]],
  ['full', [[2], 3], { dtype: named('float16'), layout: named('strided'), device: 'cpu' }],
  ['full_like', [ints, 2.5]],
  ['arange', [5]],
  ['arange', [1, 5]],
  ['arange', [1, 5, 2]],
  ['arange', [0, 1, 0.25]],
  ['arange', [2.5]],
  ['arange', [3], { dtype: named('float64') }],
  ['linspace', [0, 1, 3]],
  ['linspace', [zero, 4, 3]],
  ['eye', [2]],
  ['eye', [2, 3]],
  ['zeros_like', [x], { dtype: named('int8'), memory_format: named('preserve_format') }],
  ['scalar_tensor', [3]],
  // Random numbers with a generator.
  ['randn', [[3]], { generator }],
  ['rand', [[3]], { generator, dtype: named('float64') }],
  ['randint', [10, [4]], { generator }],
  ['randint', [5, 10, [4]], { generator }],
  ['randperm', [5], { generator }],
  ['normal', [x, 0.5], { generator }],
  ['normal', [0, y], { generator }],
  ['normal', [x, y], { generator }],
  ['normal', [1, 2, [3]], { generator }],
  ['bernoulli', [tensor([0.5, 0.5, 0.1])], { generator }],
  ['bernoulli', [x, 0.5], { generator }],
  ['multinomial', [tensor([0.1, 0.9]), 3, true], { generator }],
  ['uniform_', [x, 2, 3], { generator }],
  ['random_', [x, 5], { generator }],
  ['random_', [x, 5, 9], { generator }],
  // In place and into out.
  ['add_', [x, 1]],
  ['add_', [x, y], { alpha: 0.5 }],
  ['mul_', [ints, 2]],
  ['fill_', [x, 3]],
  ['fill_', [x, zero]],
  ['clamp_', [x, 0, 1]],
  ['copy_', [x, ints]],
  ['masked_fill_', [x, bools, 1]],
  ['add', [x, y], { out: tensor([0], 'float64') }],
  ['sum', [x, [0]], { out: tensor([0]) }],
  ['max', [x, 1], { max: tensor([0]), max_values: tensor([0], 'int64') }],
  ['arange', [3], { out: tensor([0]) }],
  ['matmul', [square, square], { out: tensor([0]) }],
  // Layers: optional tensors, numbers for lists, strings for numbers.
  ['linear', [square, square]],
  ['linear', [square, square, null]],
  ['linear', [square, square, tensor([1, 2])]],
  ['conv2d', [image, kernel]],
  ['conv2d', [image, kernel, null, 2, 1]],
  ['conv2d', [image, kernel, tensor([1]), [1, 2], [0, 1], 1, 1]],
  ['conv2d', [image, kernel, null, 1, 'same']],
  ['conv2d', [image, kernel], { padding: 'valid' }],
  ['max_pool2d', [image, 2]],
  ['max_pool2d', [image, [2, 2], [1, 1]]],
  ['upsample_nearest2d', [image, [2, 2]]],
  ['upsample_nearest2d', [image, null, [0.5, 0.5]]],
  ['upsample_nearest2d', [image, [8, 8], 2]],
  ['batch_norm', [square, null, null, null, null, true, 0.1, 1e-5, false]],
  ['layer_norm', [square, [2]]],
  ['layer_norm', [square, [2], tensor([1, 2]), null, 1e-3]],
  ['gelu', [x], { approximate: 'tanh' }],
  ['leaky_relu', [x, 1]],
  ['softmax', [x, 1]],
  ['softmax', [x, 1, named('float64')]],
  ['embedding', [square, index]],
  ['cross_entropy_loss', [square, index]],
  ['cross_entropy_loss', [square, index, tensor([1, 2]), 1, -100, 0.1]],
  ['einsum', ['ij,jk->ik', [square, square]]],
  ['einsum', ['ij->ji', [square]], { path: null }],
  ['addmm', [square, square, square], { beta: 0.5, alpha: 2 }],
  ['linalg_svd', [square, false]],
  ['linalg_pinv', [square, 0.1]],
  ['linalg_pinv', [square], { rtol: 0.1 }],
  // Results that are not tensors.
  ['size', [x, 1]],
  ['item', [zero]],
  ['item', [tensor(3, 'int64')]],
  ['equal', [x, x]],
  ['is_floating_point', [ints]],
]
