import { count, expectList, expectObject, whole } from '../../base/index.js'
import type { ConvolutionGeometry } from '../../model/index.js'
import { type Generator, scope, type Tensor, torch } from '../../torch/index.js'
import { expectTensor, handlesOf } from '../../torch/internal.js'

/**
 * Computes the height and the width of a convolution's output: ⌊(H + top + bottom − d(k − 1) − 1) / s⌋ + 1, and
 * likewise the width.
 *
 * @param input the images, [N, C, H, W], or one image, [C, H, W]
 * @param geometry kernel, stride, padding, dilation and groups
 * @returns the height and the width, in pixels
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const { geometry } = convolutionLayer(model, 'layer4.conv2')
 * console.log(outputSize(torch.rand([1, 256, 4, 4]), geometry)) // → [ 4, 4 ]
 */
export function outputSize(input: Tensor, geometry: ConvolutionGeometry): [height: number, width: number] {
  expectTensor('input', input)
  expectObject('geometry', geometry)
  const { kernel, stride, padding, dilation, groups } = geometry
  checkGeometry({ kernel, stride, padding, dilation, groups })
  const [height, width] = input.shape.slice(-2) as [number, number]
  const [top, bottom, left, right] = padding
  return [
    Math.floor((height + top + bottom - dilation[0] * (kernel[0] - 1) - 1) / stride[0]) + 1,
    Math.floor((width + left + right - dilation[1] * (kernel[1] - 1) - 1) / stride[1]) + 1,
  ]
}

/**
 * Makes the rows of A for a convolution: the windows of the images (im2col). On these rows the convolution is a linear
 * layer. With the group's matrix V_g ({@link groupMatrix}) and its part of the bias, `rows · V_g + bias` is the
 * convolution's output, a row for each pixel. Images come one after another, and the pixels of an image in row-major
 * order. The columns are ordered as the weight is: channel, kernel row, kernel column.
 *
 * The windows are a view of a padded copy of the images; only the rows are copied from it.
 *
 * @param input the images, [N, C, H, W], or one image, [C, H, W]; any dtype, strides and device
 * @param geometry kernel, stride, padding, dilation and groups
 * @param options which group and which windows
 * @param options.group whose channels to take. Default: 0, the only group of most layers
 * @param options.positions which windows, as {@link sampleWindows} draws them. Default: all
 * @returns [windows, m] in the dtype of the input, with m = C/groups · kh · kw
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const { geometry } = convolutionLayer(model, 'layer4.conv2')
 * const rows = convolutionRows(torch.rand([2, 256, 4, 4]), geometry)
 * console.log(rows.shape) // → [ 32, 2304 ]
 */
export function convolutionRows(
  input: Tensor,
  geometry: ConvolutionGeometry,
  options: { group?: number; positions?: Tensor } = {},
): Tensor {
  expectTensor('input', input)
  expectObject('geometry', geometry)
  expectObject('options', options)
  const { group = 0, positions } = options
  checkGeometry(geometry)
  whole(0, geometry.groups - 1)('group', group)
  return scope(() => {
    const windows = windowsOf(input, geometry, group)
    if (positions === undefined) return windows.reshape([-1, rowLength(windows)])
    const [image, row, column] = positions.to({ device: input.device }).unbind(1) as [Tensor, Tensor, Tensor]
    return windows.index([image, row, column]).reshape([-1, rowLength(windows)])
  })
}

/**
 * Draws windows of each image, without replacement and in random order: `torch.randperm(pixels)[:windowsPerImage]` of
 * one generator, for image after image. If an image has no more windows than that, all are taken, in order.
 *
 * @param input the images, [N, C, H, W], or one image, [C, H, W]
 * @param geometry kernel, stride, padding, dilation and groups
 * @param windowsPerImage how many windows to draw from each image
 * @param generator the generator of the draws
 * @returns int64 [windows, 3]: the image, and the row and the column in the output
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const { geometry } = convolutionLayer(model, 'layer4.conv2')
 * const positions = sampleWindows(torch.rand([2, 256, 4, 4]), geometry, 3, new torch.Generator(0))
 * console.log(positions.shape) // → [ 6, 3 ]
 */
export function sampleWindows(
  input: Tensor,
  geometry: ConvolutionGeometry,
  windowsPerImage: number,
  generator: Generator,
): Tensor {
  count('windowsPerImage', windowsPerImage)
  return scope(() => {
    const images = input.ndim === 3 ? 1 : input.shape[0]!
    const [height, width] = outputSize(input, geometry)
    const pixels = height * width
    const taken = Math.min(windowsPerImage, pixels)
    const draw = () =>
      taken === pixels ? torch.arange(pixels) : torch.randperm(pixels, { generator }).narrow(0, 0, taken)
    const drawn = Array.from({ length: images }, () => scope(() => draw().clone()))
    const pixel = torch.cat(drawn)
    const image = torch.arange(images).repeat_interleave(taken)
    const row = pixel.div(width, { rounding_mode: 'floor' })
    return torch.stack([image, row, pixel.remainder(width)], 1)
  })
}

/**
 * Takes V_g, the matrix of one group, out of the weight of a convolution.
 *
 * @param weight the weight, [n, C/groups, kh, kw]
 * @param groups the number of groups
 * @param group which group, counted from 0. Default: 0
 * @returns [m, n/groups], a view if the weight is contiguous
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * console.log(groupMatrix(torch.rand([8, 2, 3, 3]), 4, 1).shape) // → [ 18, 2 ]
 */
export function groupMatrix(weight: Tensor, groups: number, group = 0): Tensor {
  expectTensor('weight', weight)
  count('groups', groups)
  whole(0, groups - 1)('group', group)
  const outputs = weight.shape[0]! / groups
  whole(1)('weight.shape[0] / groups', outputs)
  return weight
    .narrow(0, group * outputs, outputs)
    .reshape([outputs, -1])
    .t()
}

/**
 * Makes the weight whose groups have these matrices: the inverse of {@link groupMatrix}.
 *
 * @param matrices the matrix of each group in order, [m, n/groups]
 * @param shape the shape of the weight, [n, C/groups, kh, kw]
 * @returns the weight, of that shape
 * @throws `ERR_INVALID_ARGUMENT` for invalid arguments
 * @example
 * const weight = torch.rand([4, 2, 3, 3])
 * const matrices = [groupMatrix(weight, 2, 0), groupMatrix(weight, 2, 1)]
 * console.log(weightOfGroups(matrices, weight.shape).equal(weight)) // → true
 */
export function weightOfGroups(matrices: readonly Tensor[], shape: readonly number[]): Tensor {
  handlesOf('matrices', matrices)
  expectList('shape', shape)
  for (const extent of shape) whole(0)('shape', extent)
  return scope(() => torch.cat(matrices.map((matrix) => matrix.t())).reshape([...shape]))
}

function checkGeometry({ kernel, stride, padding, dilation, groups }: ConvolutionGeometry): void {
  for (const [name, values] of Object.entries({ kernel, stride, dilation })) {
    expectList(name, values)
    for (const value of values) count(name, value)
  }
  expectList('padding', padding)
  for (const value of padding) whole(0)('padding', value)
  count('groups', groups)
}

/** A view [N, H_out, W_out, C/groups, kh, kw] of the group's channels, padded. The windows overlap in memory. */
function windowsOf(input: Tensor, geometry: ConvolutionGeometry, group: number): Tensor {
  const { kernel, stride, padding, dilation, groups } = geometry
  const [top, bottom, left, right] = padding
  const images = input.ndim === 3 ? input.unsqueeze(0) : input
  const channels = images.shape[1]! / groups
  let own = images.narrow(1, group * channels, channels)
  if (padding.some((zeros) => zeros > 0)) own = own.constant_pad_nd([left, right, top, bottom])
  const [ofImage, ofChannel, ofRow, ofColumn] = own.stride() as [number, number, number, number]
  return own.as_strided(
    [own.shape[0]!, ...outputSize(input, geometry), channels, ...kernel],
    [
      ofImage,
      ofRow * stride[0],
      ofColumn * stride[1],
      ofChannel,
      ofRow * dilation[0],
      ofColumn * dilation[1],
    ],
  )
}

function rowLength(windows: Tensor): number {
  return windows.shape.slice(3).reduce((product, extent) => product * extent, 1)
}
