import { describe, expect, it } from 'vitest'

import { jpegFrame } from '../../src/data/jpeg-frame.js'

/** A marker segment (ITU-T T.81, B.1.1.4): 0xFF, the marker, the length with its own two bytes, and the parameters. */
const segment = (marker: number, parameters: Buffer) =>
  Buffer.concat([
    Buffer.from([0xff, marker, (parameters.length + 2) >> 8, (parameters.length + 2) & 255]),
    parameters,
  ])

/** The parameters of a frame header (B.2.2): precision, lines, samples a line, components and three bytes for each. */
const frame = (components: number, height = 2, width = 3) =>
  Buffer.from([8, height >> 8, height & 255, width >> 8, width & 255, components, ...Array(12).fill(1)])

const file = (...parts: Buffer[]) => Buffer.concat([Buffer.from([0xff, 0xd8]), ...parts, Buffer.alloc(12)])
const scan = segment(0xda, Buffer.from([1, 1, 0, 0, 63, 0]))

describe('jpegFrame', () => {
  it.each([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf])(
    'reads the components of a frame that begins with the marker %d',
    (marker) => {
      for (const components of [1, 3, 4]) {
        expect(jpegFrame(file(segment(marker, frame(components))))).toEqual({ components })
      }
    },
  )

  it('passes over segments of any length that are no frame, whatever they look like', () => {
    // Huffman tables, the reserved JPG and arithmetic conditioning lie among the frames' markers (table B.1).
    for (const marker of [0xc4, 0xc8, 0xcc, 0xdb, 0xdd, 0xe0, 0xe1, 0xfe]) {
      for (const more of [0, 1, 235, 236, 237, 238, 239, 5000]) {
        const other = segment(marker, Buffer.concat([frame(4), Buffer.alloc(more, 0xc0)]))
        expect(jpegFrame(file(other, segment(0xc0, frame(1))))).toEqual({ components: 1 })
      }
    }
  })

  it('passes over fill bytes, and markers without a length', () => {
    const fill = Buffer.from([0xff, 0xff, 0xff])
    for (const bare of [0x01, 0xd0, 0xd7, 0xd8]) {
      const marker = Buffer.from([0xff, bare])
      expect(jpegFrame(file(marker, fill, segment(0xc0, frame(3))))).toEqual({ components: 3 })
    }
  })

  it('takes the first frame, and none after the end of the image', () => {
    const [grey, inks, end] = [segment(0xc0, frame(1)), segment(0xc0, frame(4)), Buffer.from([0xff, 0xd9])]
    expect(jpegFrame(file(grey, inks))).toEqual({ components: 1 })
    expect(jpegFrame(file(end, inks))).toEqual({ components: null })
    expect(jpegFrame(file())).toEqual({ components: null })
  })

  it('counts scans times pixels, also behind entropy-coded data, in which 0xFF is followed by 0', () => {
    const data = Buffer.from([1, 2, 0xff, 0, 3, 0xff, 0xd0, 4])
    const scans = (count: number) => Array(count).fill([scan, data]).flat()
    // 40,000 × 50,000 pixels are half of the most.
    const large = segment(0xc2, frame(3, 40_000, 50_000))
    expect(jpegFrame(file(large, ...scans(2)))).toEqual({ components: 3 })
    expect(() => jpegFrame(file(large, ...scans(3)))).toThrow('3 or more scans of 2000000000 pixels')
    expect(jpegFrame(file(segment(0xc2, frame(3)), ...scans(500)))).toEqual({ components: 3 })
  })
})
