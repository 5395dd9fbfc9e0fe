import { type Complex, pythonExponent, pythonNumber } from './complex.js'
import type { DType } from './dtype.js'
import { elementCount } from './shape.js'
import type { Tensor } from './tensor.js'

// PyTorch's default print options.
const precision = 4
const threshold = 1000
const edge = 3
const lineWidth = 80

type Elements = readonly (number | bigint | Complex)[]
type Read = (tensor: Tensor) => Elements

/** The text of a tensor that Python's `repr` prints. If there are more than 1000 elements, only those at the edges are read. */
export function formatTensor(tensor: Tensor, read: Read): string {
  const prefix = 'tensor('
  const indent = prefix.length
  const { dtype, layout, device, shape, gradFn } = tensor
  const strided = layout === 'strided'
  const plain = strided && device !== 'meta' && !dtype.startsWith('q')
  const empty = shape.includes(0) || device === 'meta'
  const suffixes: string[] = []
  if (device !== 'cpu') suffixes.push(`device='${device}'`)
  if (!plain || (empty && shape.length !== 1)) suffixes.push(`size=${tuple(shape)}`)
  if (!strided) suffixes.push(`nnz=${tensor._nnz()}`)
  // A tensor without elements does not show what they are.
  const evident = strided && empty ? ['float32'] : ['float32', 'complex64', 'int64', 'bool']
  if (!evident.includes(dtype)) suffixes.push(`dtype=torch.${dtype}`)
  if (dtype.startsWith('q')) suffixes.push(...quantization(tensor))
  if (!strided) suffixes.push(`layout=torch.${layout}`)
  if (gradFn !== null) suffixes.push(`grad_fn=<${gradFn}>`)
  else if (tensor.requiresGrad) suffixes.push('requires_grad=True')
  let body = '...'
  if (!strided) body = sparseParts(tensor, indent, read)
  else if (device !== 'meta') body = formatElements(tensor, indent, read)
  return withSuffixes(prefix + body, suffixes, indent, layout === 'sparse_coo')
}

/** A shape as a Python tuple. */
const tuple = (shape: readonly number[]) => `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`

function withSuffixes(text: string, suffixes: string[], indent: number, newline: boolean): string {
  let lineLength = text.length - text.lastIndexOf('\n') + 1
  let breaks = newline
  let result = text
  for (const suffix of suffixes) {
    if (breaks || lineLength + suffix.length + 2 > lineWidth) {
      result += `,\n${' '.repeat(indent)}${suffix}`
      lineLength = indent + suffix.length
    } else {
      result += `, ${suffix}`
      lineLength += suffix.length + 2
    }
    breaks = false
  }
  return `${result})`
}

function quantization(tensor: Tensor): string[] {
  // A value of c10::QScheme: 0 is per tensor, which has one scale.
  const scheme = tensor.qscheme() as unknown as number
  if (scheme !== 0) return []
  return [
    'quantization_scheme=torch.per_tensor_affine',
    `scale=${pythonNumber(tensor.q_scale())}`,
    `zero_point=${tensor.q_zero_point()}`,
  ]
}

function sparseParts(tensor: Tensor, indent: number, read: Read): string {
  const rows = tensor.layout === 'sparse_csr' || tensor.layout === 'sparse_bsr'
  const parts: [name: string, part: Tensor][] =
    tensor.layout === 'sparse_coo'
      ? [
          ['indices', tensor._indices()],
          ['values', tensor._values()],
        ]
      : [
          rows ? ['crow_indices', tensor.crow_indices()] : ['ccol_indices', tensor.ccol_indices()],
          rows ? ['col_indices', tensor.col_indices()] : ['row_indices', tensor.row_indices()],
          ['values', tensor.values()],
        ]
  const texts = parts.map(([name, part]) => {
    const opening = `${name}=tensor(`
    const body = formatElements(part, indent + opening.length, read)
    return `${opening}${body}${part.shape.includes(0) ? `, size=${tuple(part.shape)}` : ''})`
  })
  for (const [, part] of parts) part.dispose()
  return texts.join(`,\n${' '.repeat(indent)}`)
}

/** The elements in their brackets. */
function formatElements(tensor: Tensor, indent: number, read: Read): string {
  const { shape, dtype } = tensor
  if (shape.includes(0)) return '[]'
  const summarize = elementCount(shape) > threshold
  const shown = summarize ? atEdges(tensor) : tensor
  const { width, texts } = elementTexts(read(shown), dtype)
  const printed = { texts, width, shape, extents: shown.shape }
  if (shown !== tensor) shown.dispose()
  return brackets(printed, 0, 0, indent)
}

/** A small copy with the first and the last three elements along each dimension that is longer than six. */
function atEdges(tensor: Tensor): Tensor {
  const steps = [tensor.dtype.startsWith('q') ? tensor.dequantize() : tensor.detach()]
  const follow = (next: Tensor) => steps.push(next)
  // Both ends of a dimension are two windows of three, which a view shows without a copy.
  const order: number[] = []
  let windows = tensor.shape.length
  tensor.shape.forEach((extent, dim) => {
    order.push(dim)
    if (extent <= 2 * edge) return
    follow(steps.at(-1)!.unfold(dim, edge, extent - edge))
    order.push(windows++)
  })
  follow(steps.at(-1)!.permute(order))
  const small = steps.at(-1)!.reshape(tensor.shape.map((extent) => Math.min(extent, 2 * edge)))
  for (const step of steps) step.dispose()
  return small
}

interface PrintedElements {
  /** The elements in row-major order, with the shape `extents`. */
  texts: readonly string[]
  /** The width to which each text is padded. */
  width: number
  /** The shape of what is printed. */
  extents: readonly number[]
  /** The shape of the tensor: if a dimension is longer than in `extents`, its middle was left out. */
  shape: readonly number[]
}

/** Formats dimension `dim` and those after it, from the text at `offset` on. */
function brackets(printed: PrintedElements, dim: number, offset: number, indent: number): string {
  const { texts, width, extents, shape } = printed
  if (extents.length === 0) return texts[0]!
  const extent = extents[dim]!
  const cut = shape[dim]! > extent
  if (dim === extents.length - 1) {
    const row = texts.slice(offset, offset + extent)
    if (cut) row.splice(edge, 0, ' ...')
    const perLine = Math.max(1, Math.floor((lineWidth - indent) / (width + 2)))
    const lines: string[] = []
    for (let i = 0; i < row.length; i += perLine) lines.push(row.slice(i, i + perLine).join(', '))
    return `[${lines.join(`,\n${' '.repeat(indent + 1)}`)}]`
  }
  const stride = elementCount(extents.slice(dim + 1))
  const parts = Array.from({ length: extent }, (_, i) =>
    brackets(printed, dim + 1, offset + i * stride, indent + 1),
  )
  if (cut) parts.splice(edge, 0, '...')
  return `[${parts.join(`,${'\n'.repeat(extents.length - dim - 1)}${' '.repeat(indent + 1)}`)}]`
}

function elementTexts(values: Elements, dtype: DType): { texts: string[]; width: number } {
  if (dtype.startsWith('complex')) {
    const numbers = values as readonly Complex[]
    const re = floatTexts(numbers.map((value) => value.re))
    const im = floatTexts(numbers.map((value) => value.im))
    const texts = re.texts.map((text, i) => {
      const imaginary = im.texts[i]!.trimStart()
      return `${text}${/^[+-]/.test(imaginary) ? '' : '+'}${imaginary}j`
    })
    return { texts, width: re.width + im.width + 1 }
  }
  if (/^(float|bfloat|q)/.test(dtype)) return floatTexts(values as readonly number[])
  const texts = values.map((value) => (dtype === 'bool' ? (value ? 'True' : 'False') : String(value)))
  const width = texts.reduce((widest, text) => Math.max(widest, text.length), 1)
  return { texts: texts.map((text) => text.padStart(width)), width }
}

/** Formats floats with one notation and one width for all: as integers, with four digits, or with an exponent. */
function floatTexts(values: readonly number[]): { texts: string[]; width: number } {
  const finite = values.filter((value) => Number.isFinite(value) && value !== 0)
  let least = Number.POSITIVE_INFINITY
  let largest = 0
  for (const value of finite) {
    least = Math.min(least, Math.abs(value))
    largest = Math.max(largest, Math.abs(value))
  }
  const exponents = finite.length > 0 && (largest / least > 1000 || largest > 1e8 || least < 1e-4)
  const whole = finite.every(Number.isInteger)
  const text = (value: number) => {
    if (!Number.isFinite(value)) return pythonNumber(value)
    if (exponents) return scientific(value)
    return whole ? `${fixed(value, 0)}.` : fixed(value, precision)
  }
  const width = finite.reduce((widest, value) => Math.max(widest, text(value).length), 1)
  return { texts: values.map((value) => text(value).padStart(width)), width }
}

/** As Python's `f'{value:.{digits}f}'`, which rounds a tie to the even neighbour; JavaScript rounds it up. */
function fixed(value: number, digits: number): string {
  const size = Math.abs(value)
  const text = size.toFixed(digits)
  const isTie = (size * 2 ** (digits + 1)) % 2 === 1
  return withSign(value, isTie ? evenEnd(text) : text)
}

/** As Python's `f'{value:.4e}'`. */
function scientific(value: number): string {
  const size = Math.abs(value)
  const [digits, power] = size.toExponential(precision).split('e') as [string, string]
  const isTie = /^\d\.\d{4}50*e/.test(size.toExponential(100))
  return withSign(value, `${isTie ? evenEnd(digits) : digits}${pythonExponent(Number(power))}`)
}

/** `text`, or if its last digit is odd, the number below. It turns a tie that was rounded up into one that is rounded to even. */
function evenEnd(text: string): string {
  const last = Number(text.at(-1))
  return last % 2 === 1 ? `${text.slice(0, -1)}${last - 1}` : text
}

function withSign(value: number, text: string): string {
  return value < 0 || Object.is(value, -0) ? `-${text}` : text
}
