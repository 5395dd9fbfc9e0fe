import { describe, expectTypeOf, it } from 'vitest'
import { type Tensor, torch } from '../../../src/index.js'
import type { Complex, DType, Generator } from '../../../src/torch/index.js'

// Compiled, not run: a line below @ts-expect-error must be a compile error, or `npm run check` fails.
const compiled = (_: () => unknown): void => {}
declare const x: Tensor
declare const generator: Generator
declare const dtype: DType
declare const z: Complex

describe("operators' types", () => {
  it('take tensors, numbers, lists and names as the schemas ask', () => {
    compiled(() => {
      expectTypeOf(torch.add(x, x)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.add(x, 1, 2)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.pow(2, x)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.mul(x, z)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.full([2], z, { dtype: 'complex64' })).toEqualTypeOf<Tensor>()
      expectTypeOf(x.add(1.5)).toEqualTypeOf<Tensor>()
      expectTypeOf(x.view([2, -1])).toEqualTypeOf<Tensor>()
      expectTypeOf(x.select(0, 2n)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.cat([x, x], 1)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.index(x, [null, x])).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.einsum('ij,jk->ik', [x, x])).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.max_pool2d(x, 2)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.max_pool2d(x, [2, 2], { stride: 1, ceil_mode: true })).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.conv2d(x, x, null, 1, 'same')).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.zeros([2], { dtype, device: 'cuda:1', layout: 'strided' })).toEqualTypeOf<Tensor>()
      expectTypeOf(x.contiguous({ memory_format: 'channels_last' })).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.randn([2], { generator, dtype: 'float16' })).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.tensor([1]).to('complex64')).toEqualTypeOf<Tensor>()
    })
  })

  it('tell what comes back', () => {
    compiled(() => {
      expectTypeOf(torch.linalg_svd(x)).toEqualTypeOf<[Tensor, Tensor, Tensor]>()
      expectTypeOf(torch.max(x)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.max(x, 1)).toEqualTypeOf<[Tensor, Tensor]>()
      expectTypeOf(x.topk(3)[1]).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.split(x, 2)).toEqualTypeOf<Tensor[]>()
      expectTypeOf(torch.lstm(x, [x, x], [x], true, 1, 0, false, false, false)).toEqualTypeOf<
        [Tensor, Tensor, Tensor]
      >()
      expectTypeOf(torch.size(x, 0)).toEqualTypeOf<number>()
      expectTypeOf(x.is_floating_point()).toEqualTypeOf<boolean>()
      expectTypeOf(torch.equal(x, x)).toEqualTypeOf<boolean>()
      expectTypeOf(torch._foreach_add_([x], 1)).toEqualTypeOf<void>()
    })
  })

  it('know in-place operators and those that write to out', () => {
    compiled(() => {
      expectTypeOf(x.add_(1)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.relu_(x)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.add(x, x, { alpha: 2, out: x })).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.max(x, 1, { max: x, max_values: x })).toEqualTypeOf<[Tensor, Tensor]>()
      // @ts-expect-error: out is a tensor
      torch.add(x, x, { out: [x] })
      // @ts-expect-error: both outputs are wanted
      torch.max(x, 1, { max: x })
    })
  })

  it('refuse what no overload takes', () => {
    compiled(() => {
      // @ts-expect-error: self is a tensor
      torch.relu(1)
      // @ts-expect-error: self is missing
      torch.relu()
      // @ts-expect-error: other is missing
      torch.matmul(x)
      // @ts-expect-error: relu takes one argument
      torch.relu(x, x)
      // @ts-expect-error: other is a tensor
      torch.matmul(x, 'y')
      // @ts-expect-error: a list is no tensor
      torch.relu([x])
      // @ts-expect-error: a tensor is no list of tensors
      torch.cat(x)
      // @ts-expect-error: a list of tensors has no numbers
      torch.cat([x, 1])
      // @ts-expect-error: null only where a tensor is optional
      torch.stack([x, null])
      // @ts-expect-error: the bias is a tensor or null
      torch.linear(x, x, false)
      // @ts-expect-error: a string is no number
      x.select('0', 1)
      // @ts-expect-error: sizes are numbers
      torch.zeros(['2'])
      // @ts-expect-error: a number is no boolean
      torch.sort(x, 0, 1)
      // @ts-expect-error: keywords are no positional arguments
      torch.add(x, x, 1, x)
      // @ts-expect-error: there is no such operator
      torch.ad
    })
  })

  it('refuse options that there are not, and values that they do not take', () => {
    compiled(() => {
      // @ts-expect-error: the option is keepdim
      torch.sum(x, [0], { keepDim: true })
      // @ts-expect-error: no dtype has this name
      torch.zeros([1], { dtype: 'float31' })
      // @ts-expect-error: a dtype is given by its name
      torch.zeros([1], { dtype: 32 })
      // @ts-expect-error: no layout has this name
      torch.zeros([1], { layout: 'dense' })
      // @ts-expect-error: no memory format has this name
      x.contiguous({ memory_format: 'channels_first' })
      // @ts-expect-error: a seed is no generator
      torch.randn([1], { generator: 1 })
      // @ts-expect-error: alpha is a number
      torch.add(x, x, { alpha: '2' })
      // @ts-expect-error: a complex number is no dimension
      torch.sum(x, z)
      // @ts-expect-error: the rounding mode is a string or null
      torch.div(x, x, { rounding_mode: true })
    })
  })

  it('are those of promises under torch.async', () => {
    compiled(() => {
      expectTypeOf(torch.async.relu(x)).toEqualTypeOf<Promise<Tensor>>()
      expectTypeOf(torch.async.linalg_svd(x)).toEqualTypeOf<Promise<[Tensor, Tensor, Tensor]>>()
      // @ts-expect-error: self is a tensor
      torch.async.relu('x')
      // @ts-expect-error: there is no such option
      torch.async.linalg_svd(x, { fullMatrices: false })
    })
  })

  it('are those of all overloads, or of one, under torch.ops', () => {
    compiled(() => {
      expectTypeOf(torch.ops.aten.add(x, 1)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.ops.aten.max.dim(x, 1)).toEqualTypeOf<[Tensor, Tensor]>()
      expectTypeOf(torch.ops.aten.relu.default(x)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.ops.quantized.add(x, x, 0.5, 0)).toEqualTypeOf<Tensor>()
      expectTypeOf(torch.ops.quantized.mul.Scalar(x, 2)).toEqualTypeOf<Tensor>()
      // @ts-expect-error: this overload takes a number
      torch.ops.aten.add.Scalar(x, x)
      // @ts-expect-error: this overload writes to out
      torch.ops.aten.add.out(x, x)
      // @ts-expect-error: there is no such overload
      torch.ops.aten.relu.Tensor(x)
      // @ts-expect-error: there is no such operator
      torch.ops.aten.rule(x)
      // @ts-expect-error: there is no such namespace
      torch.ops.aton
      // @ts-expect-error: the scale is missing
      torch.ops.quantized.add(x, x)
    })
  })
})
