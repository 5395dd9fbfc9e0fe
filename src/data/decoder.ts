import { SosError } from '../base/index.js'
import { hasJpegDecoder } from '../torch/internal.js'

/**
 * What decodes JPEG. Sharp decodes PNG, WebP, TIFF, and the JPEGs that libturbojpeg does not; GIF, BMP, PPM and PGM are decoded by this
 * package itself.
 */
export type Decoder = 'libturbojpeg' | 'sharp'

/**
 * Says which decoder decodes JPEG. One that was asked for is never replaced by another, since the two differ in speed.
 *
 * @param asked the decoder that was asked for. Default: libturbojpeg if the addon has it, else sharp
 * @param hasLibturbojpeg whether the addon has libturbojpeg
 * @throws `ERR_NOT_BUILT` if libturbojpeg is asked for and the addon does not have it; `ERR_INVALID_ARGUMENT` for another name
 */
export function decoderOfJpeg(asked?: Decoder, hasLibturbojpeg: boolean = hasJpegDecoder): Decoder {
  if (asked === undefined) return hasLibturbojpeg ? 'libturbojpeg' : 'sharp'
  if (asked === 'sharp' || (asked === 'libturbojpeg' && hasLibturbojpeg)) return asked
  if (asked === 'libturbojpeg') {
    throw new SosError(
      'ERR_NOT_BUILT',
      "the decoder 'libturbojpeg' was asked for, but the addon was built without it; `sos doctor` says how to get it, and 'sharp' " +
        'gives the same pixels in about twice the time',
    )
  }
  throw new SosError(
    'ERR_INVALID_ARGUMENT',
    `expected the decoder 'libturbojpeg' or 'sharp' but received ${JSON.stringify(asked)}`,
  )
}
