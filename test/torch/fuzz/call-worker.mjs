// Makes the calls that calls.ts describes, one for each message, and answers with what became of it.
import { scope, torch } from '../../../dist/index.js'
import { Complex, callOperator } from '../../../dist/torch/index.js'

const { Generator, noGrad } = torch

/** @param {import('./calls.js').TensorValue} value */
function tensor({ shape, dtype, form, requiresGrad }) {
  const size = shape.reduce((a, b) => a * b, 1)
  const numbers = torch.arange(size).sub(1).remainder(7)
  const make = (x) =>
    dtype === 'quint8' ? torch.quantize_per_tensor(x.to('float32'), 0.5, 2, 'quint8') : x.to(dtype)
  const forms = {
    dense: () => make(numbers).reshape(shape),
    // The same shape over memory in another order, with gaps, and over one element.
    transposed: () =>
      make(numbers)
        .reshape([...shape].reverse())
        .permute(shape.map((_, i) => shape.length - 1 - i)),
    gaps: () =>
      make(numbers)
        .reshape([...shape, 1])
        .repeat([...shape.map(() => 1), 2])
        .select(-1, 0),
    expanded: () => make(torch.ones([])).expand(shape),
    sparse: () => make(numbers).reshape(shape).to_sparse(),
  }
  const made = noGrad(() => {
    try {
      return forms[form]()
    } catch {
      return numbers.to('float32').reshape(shape) // there is no tensor of such a dtype in such a form
    }
  })
  if (requiresGrad && /^(float|bfloat|complex)/.test(made.dtype)) made.requiresGrad = true
  return made
}

function value(described) {
  if (described === null || typeof described !== 'object') return described
  if (Array.isArray(described)) return described.map(value)
  if ('shape' in described) return tensor(described)
  if ('bigint' in described) return BigInt(described.bigint)
  if ('float' in described) return Number(described.float)
  if ('complex' in described) return new Complex(...described.complex)
  return new Generator(described.generator)
}

/** Errors have a code, and a message without the native side's stack. */
function outcome(call) {
  const args = call.positional.map(value)
  const keyword = Object.entries(call.keyword).map(([name, given]) => [name, value(given)])
  if (keyword.length > 0) args.push(Object.fromEntries(keyword))
  try {
    callOperator(call.operator, ...args)
    return 'success'
  } catch (error) {
    const plain =
      error instanceof Error &&
      /^ERR_[A-Z_]+$/.test(error.code) &&
      error.message !== '' &&
      !/Exception raised from|CapturedTraceback/.test(error.message)
    return plain ? error.code : `odd failure: ${error?.stack ?? error}`
  }
}

process.on('message', (call) => {
  const result = scope(() => outcome(call))
  process.send(result)
})
process.send('ready')
