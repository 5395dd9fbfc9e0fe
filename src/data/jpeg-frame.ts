/** The largest number of scans times pixels: each scan of a progressive JPEG goes over the whole image, and a small file can have thousands. */
const mostWork = 4e9

/**
 * The number of components of a JPEG, from its frame header. Null if no header is found: the decoder reports that.
 *
 * @throws Error if its scans would take minutes
 */
export function jpegFrame(bytes: Uint8Array): { components: number | null } {
  let [components, pixels, scans] = [null as number | null, 0, 0]
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) {
      at = nextMarker(bytes, at)
      continue
    }
    const marker = bytes[at + 1]!
    if (marker === 0xff) {
      at++ // fill
    } else if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2 // of entropy-coded data, or without a length
    } else if (marker === 0xd9) {
      break
    } else {
      const isFrame =
        marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
      if (isFrame && components === null) {
        components = bytes[at + 9]!
        pixels = ((bytes[at + 5]! << 8) | bytes[at + 6]!) * ((bytes[at + 7]! << 8) | bytes[at + 8]!)
      }
      if (marker === 0xda && ++scans * pixels > mostWork) {
        throw new Error(`its ${scans} or more scans of ${pixels} pixels would take too long`)
      }
      at += 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
    }
  }
  return { components }
}

function nextMarker(bytes: Uint8Array, from: number): number {
  const at = bytes.indexOf(0xff, from)
  return at < 0 ? bytes.length : at
}
