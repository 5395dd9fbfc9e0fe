/** The numbers of the tags of a TIFF's first image that decide how it is decoded. A tag may have a value for each sample. */
const tags = {
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  orientation: 274,
  samples: 277,
  planar: 284,
  extra: 338,
  format: 339,
} as const

type Tags = Record<keyof typeof tags, readonly number[]>

/**
 * Checks that libvips and Pillow make the same pixels of a TIFF's first image.
 *
 * @param bytes the file. An orientation other than 1 to 8, which is an error to libvips and which Pillow ignores, is replaced by 1
 * @returns its orientation, from 1 to 8 as EXIF has it
 * @throws Error for other kinds, such as premultiplied alpha, 16-bit CMYK and L*a*b*
 */
export function tiffOrientation(bytes: Uint8Array): number {
  const found = readTags(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const first = (tag: keyof Tags, missing: number) => found[tag][0] ?? missing
  const photometric = first('photometric', -1)
  const samples = first('samples', 1)
  const bits = first('bits', 1)
  const kind = `${photometric} ${samples} ${bits} ${found.extra.join(',')}`.trimEnd()
  const format = first('format', 1)
  const orientation = first('orientation', 1)
  const plain =
    readable.has(kind) &&
    (format === 1 || signed.has(`${format} ${bits} ${photometric} ${samples}`)) &&
    (bits !== 32 || format !== 1 || bytes[0] === 0x49) && // 'I', the little-endian order
    (photometric !== 6 || first('compression', 1) === 7) && // YCbCr, as JPEG
    (first('fillOrder', 1) === 1 || reversed.has(kind)) &&
    (orientation < 5 || kind === '2 3 8') && // Pillow mixes up width and height of others
    (first('planar', 1) === 1 || planar.has(kind))
  if (!plain) {
    throw new Error(
      `Pillow reads a TIFF of this kind in another way (photometric interpretation ${photometric}, ${samples} samples of ${bits} bits): convert it`,
    )
  }
  return orientation
}

const isOrientation = (value: number) => value >= 1 && value <= 8

/** The kinds that are read: photometric interpretation, samples, bits, and what the extra samples are. */
const readable = new Set([
  ...['0 1 1', '0 1 2', '0 1 4', '0 1 8'], // white is zero
  ...['1 1 1', '1 1 2', '1 1 4', '1 1 8', '1 1 16', '1 1 32', '1 2 8 2'], // black is zero
  ...['2 3 8', '2 3 16', '2 4 8', '2 4 8 0', '2 4 8 2', '2 4 16 0', '2 4 16 2', '2 5 8 2,0'], // RGB
  ...['3 1 1', '3 1 2', '3 1 4', '3 1 8'], // a palette
  ...['5 4 8', '6 3 8'], // CMYK, YCbCr
])

/** The kinds that may be stored sample by sample. */
const planar = new Set(['1 1 8', '3 1 8', '2 3 8', '2 3 16', '2 4 8', '2 4 8 2', '5 4 8'])

/** The kinds whose bits may be in reverse order in a byte. */
const reversed = new Set(['0 1 1', '0 1 2', '0 1 4', '1 1 1', '1 1 2', '1 1 4', '1 1 8', '2 3 8', '3 1 8'])

/** The kinds of signed (2) and floating-point (3) numbers: format, bits, photometric interpretation, samples. */
const signed = new Set(['2 16 1 1', '2 32 1 1', '3 32 1 1'])

function readTags(view: DataView): Tags {
  const little = view.getUint16(0) === 0x4949
  const found = Object.fromEntries(Object.keys(tags).map((name) => [name, [] as number[]])) as Record<
    keyof Tags,
    number[]
  >
  const names = new Map(Object.entries(tags).map(([name, tag]) => [tag as number, name as keyof Tags]))
  const directory = view.getUint32(4, little)
  const count = view.getUint16(directory, little)
  for (let i = 0; i < count; i++) {
    const entry = directory + 2 + 12 * i
    const name = names.get(view.getUint16(entry, little))
    if (name === undefined) continue
    const size = view.getUint16(entry + 2, little) === 4 ? 4 : 2 // LONG, or SHORT
    const length = Math.min(8, view.getUint32(entry + 4, little))
    const start = length * size <= 4 ? entry + 8 : view.getUint32(entry + 8, little)
    if (
      name === 'orientation' &&
      !isOrientation(size === 4 ? view.getUint32(start, little) : view.getUint16(start, little))
    ) {
      if (size === 4) view.setUint32(start, 1, little)
      else view.setUint16(start, 1, little)
    }
    found[name] = Array.from({ length }, (_, k) =>
      size === 4 ? view.getUint32(start + 4 * k, little) : view.getUint16(start + 2 * k, little),
    )
  }
  return found
}
