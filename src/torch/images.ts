import { binding } from './native/binding.js'
import type { NativePreprocess } from './native/structures.js'
import { handleOf, Tensor } from './tensor/tensor.js'

// What images need of native code. All that returns a promise works on libuv's threads, several images side by side, and
// not on the lane: the caller keeps its hands off the tensors meanwhile.

/** Whether the addon decodes JPEG. Where not, every image is left to a more general decoder. */
export const hasJpegDecoder: boolean = binding.hasJpegDecoder()

/**
 * A JPEG file as Pillow decodes it: uint8 [1, channels, H, W], channels last; null where it is left to a more general
 * decoder (CMYK, colour where grey is asked for, no JPEG, damaged).
 *
 * @throws `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`, `ERR_IMAGE` for more than 178,956,970 pixels
 */
export async function decodeJpeg(path: string, channels: 1 | 3): Promise<Tensor | null> {
  const handle = await binding.decodeJpeg(path, channels)
  return handle === null ? null : new Tensor(handle)
}

/**
 * Decodes a JPEG file and preprocesses it into a row of `batch`, float32 [N, C, crop, crop]; false where it is left to a
 * more general decoder, as above.
 */
export function loadJpeg(
  path: string,
  recipe: NativePreprocess,
  batch: Tensor,
  row: number,
): Promise<boolean> {
  return binding.loadJpeg(path, recipe, handleOf(batch), row)
}

/** uint8 [N, C, H, W] → float32 [N, C, h, w] (native/core/preprocess.h), on this thread. */
export function preprocessImages(images: Tensor, recipe: NativePreprocess): Tensor {
  return new Tensor(binding.preprocessImages(handleOf(images), recipe))
}

/**
 * The same for the bytes of one image, [H, W, C], into a row of `batch`, float32 [N, C, crop, crop], off the event loop.
 * The bytes are used up: their buffer is detached, since a megabyte a time makes the collector busy.
 */
export function preprocessBytes(
  bytes: Uint8Array,
  shape: readonly [height: number, width: number, channels: number],
  recipe: NativePreprocess,
  batch: Tensor,
  row: number,
): Promise<void> {
  return binding.preprocessBytes(bytes, shape, recipe, handleOf(batch), row)
}
