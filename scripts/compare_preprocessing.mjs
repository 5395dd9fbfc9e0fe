/**
 * Compares our decoding and preprocessing with Pillow's and torchvision's, image by image:
 *
 *   node scripts/compare_preprocessing.mjs FOLDER [--preset NAME] [--decoder libturbojpeg|sharp] [--json]
 *
 * FOLDER is searched for images in all its folders. The Python is the one that `npm run setup` recorded.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { decodeImage } from '../dist/data/decode-image.js'
import { decoderOfJpeg } from '../dist/data/decoder.js'
import { preprocess } from '../dist/data/index.js'
import { imagesBelow } from '../dist/data/listing.js'
import { presetNamed } from '../dist/model/index.js'
import { Child } from './bench/child.mjs'
import { readState } from './setup/state.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    preset: { type: 'string', default: 'resnet50' },
    decoder: { type: 'string', default: decoderOfJpeg() },
    json: { type: 'boolean', default: false },
  },
})
if (positionals.length !== 1) {
  console.error('expected one FOLDER with images')
  process.exit(2)
}
const [folder] = positionals
const recipe = presetNamed(options.preset)
const { python = join(root, '.venv/bin/python') } = readState(join(root, 'build'))
const script = join(root, 'scripts/compare_preprocessing.py')
const { child } = await Child.start('Python', python, [script, JSON.stringify(recipe)], {
  PYTHONWARNINGS: 'ignore',
})
const temporary = mkdtempSync(join(tmpdir(), 'sos-compare-'))
const totals = { images: 0, sameDecoded: 0, decodedWorst: 0, values: 0, byLevels: [] }
try {
  for (const file of (await imagesBelow(folder)).images) {
    const path = join(folder, file)
    const decoded = await decodeImage(path, recipe.channels, options.decoder)
    const [pixels, values] = [join(temporary, 'pixels'), join(temporary, 'values')]
    writeFileSync(pixels, decoded.permute([0, 2, 3, 1]).contiguous().toTypedArray())
    const processed = preprocess(decoded, recipe)
    writeFileSync(values, processed.toTypedArray())
    const { decodedWorst, byLevels } = await child.request({ path, pixels, values })
    totals.images++
    if (decodedWorst === 0) totals.sameDecoded++
    totals.decodedWorst = Math.max(totals.decodedWorst, decodedWorst)
    byLevels.forEach((count, levels) => {
      totals.byLevels[levels] = (totals.byLevels[levels] ?? 0) + count
      totals.values += count
    })
    decoded.dispose()
    processed.dispose()
  }
} finally {
  await child.stop()
  rmSync(temporary, { recursive: true, force: true })
}

if (options.json) console.log(JSON.stringify({ folder, ...options, ...totals }, null, 2))
else {
  const { images, sameDecoded, decodedWorst, values, byLevels } = totals
  console.log(`${folder}: ${images} images, preset ${options.preset}, ${options.decoder}`)
  console.log(
    `decoded       ${sameDecoded} of ${images} alike bit by bit; the largest difference is ${decodedWorst} levels`,
  )
  byLevels.forEach((count, levels) => {
    const what = levels === 0 ? 'the same level' : `${levels} level${levels > 1 ? 's' : ''} off`
    console.log(`preprocessed  ${((100 * count) / values).toFixed(5).padStart(9)} %  ${what} (${count})`)
  })
}
