import { binding } from './native/binding.js'
import type { NativePreprocess } from './native/structures.js'
import { handleOf, Tensor } from './tensor/tensor.js'

// The native code for images. Functions that return a promise work on libuv's threads, several images at the same time, and not on the lane.
// The caller must not use the tensors until the promise is fulfilled.

/** Whether the addon decodes JPEG. If not, every image must be decoded by a more general decoder. */
export const hasJpegDecoder: boolean = binding.hasJpegDecoder()

/**
 * Decodes a JPEG file to the pixels that Pillow gives.
 *
 * @param channels 1 for grey, 3 for colour
 * @returns uint8 [1, channels, H, W], channels last; null if the file must be decoded by a more general decoder (CMYK, a colour image when grey
 *   is asked for, another format, damaged)
 * @throws `ERR_FILE_NOT_FOUND`, `ERR_FILE_UNREADABLE`, `ERR_IMAGE` for more than 178,956,970 pixels
 */
export async function decodeJpeg(path: string, channels: 1 | 3): Promise<Tensor | null> {
  const handle = await binding.decodeJpeg(path, channels)
  return handle === null ? null : new Tensor(handle)
}

/**
 * Decodes a JPEG file and preprocesses it into a row of a batch.
 *
 * @param batch float32 [N, C, crop, crop]
 * @param row the row to write
 * @returns false if the file must be decoded by a more general decoder, as for {@link decodeJpeg}
 */
export function loadJpeg(
  path: string,
  recipe: NativePreprocess,
  batch: Tensor,
  row: number,
): Promise<boolean> {
  return binding.loadJpeg(path, recipe, handleOf(batch), row)
}

/** Preprocesses images on this thread: uint8 [N, C, H, W] → float32 [N, C, h, w] (native/core/image/preprocess.h). */
export function preprocessImages(images: Tensor, recipe: NativePreprocess): Tensor {
  return new Tensor(binding.preprocessImages(handleOf(images), recipe))
}

/**
 * Preprocesses the bytes of one image into a row of a batch, off the event loop. The buffer of the bytes is detached: leaving a megabyte for
 * each image to the garbage collector would keep it busy.
 *
 * @param bytes the pixels, uint8 [H, W, C]
 * @param batch float32 [N, C, crop, crop]
 * @param row the row to write
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
