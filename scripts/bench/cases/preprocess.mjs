import { photographs } from '../photographs.mjs'

const images = 96

export const description =
  'from JPEG files to normalised 224×224 inputs, compared with Pillow and torchvision, each in one process on the same cores'
export const threads = 1
export const figure = { unit: 'ms/image', of: (seconds) => (seconds * 1e3) / images }
export const targets = { libturbojpeg: 1.7, sharp: 1.0 }

/** libtorch's resizing differs from Pillow's by one level in about 2 of 1000 values. */
export const tolerance = 3e-3

/** Pillow uses one core. Our decoders run on libuv's threads and use all cores. The ratio of CPU time compares the cost of an image. */
export const showsCpu = true

/** Uses the photographs of the extra data, or makes images if there are none. */
export const prepare = (context) => ({ folder: photographs(context, images), images })

export async function cases({ folder, images }) {
  const { batches } = await import('../../../dist/data/index.js')
  const { imageFolder, presets, runtimeInfo } = await import('../../../dist/index.js')
  const one = async (decoder) => {
    if (decoder !== 'sharp' && decoder !== runtimeInfo().jpegDecoder) {
      return { leftOut: `the addon was built without ${decoder}` }
    }
    const dataset = await imageFolder(folder, presets.resnet50, { decoder })
    const indices = Array.from({ length: images }, (_, i) => Math.floor((i * dataset.size) / images))
    return {
      async run(n) {
        for (let i = 0; i < n; i++) for await (const _ of batches(dataset, indices, 32));
      },
      result: async () => (await dataset.load(indices.slice(0, 4))).images,
    }
  }
  return { libturbojpeg: await one('libturbojpeg'), sharp: await one('sharp') }
}
