// Decodes the image of each message and preprocesses it, by each decoder.
import { decodeImage, loadImage } from '../../../dist/data/decode-image.js'
import { presets, torch } from '../../../dist/index.js'

async function outcome({ path, decoder }) {
  try {
    const image = await decodeImage(path, 3, decoder)
    const [count, channels, height, width] = image.shape
    image.dispose()
    if (count !== 1 || channels !== 3 || !(height >= 1 && width >= 1 && height * width <= 178_956_970)) {
      return `odd shape: ${[count, channels, height, width]}`
    }
    const batch = torch.full([1, 3, 224, 224], Number.NaN)
    // A line of thousands of pixels would be a large image once its shorter side is resized.
    if (Math.max(height, width) < 100 * Math.min(height, width)) {
      await loadImage(path, presets.resnet50, batch, 0, decoder)
      if (!Number.isFinite(batch.sum().item())) return 'odd pixels'
    }
    batch.dispose()
    return 'image'
  } catch (error) {
    const plain =
      error instanceof Error &&
      error.code === 'ERR_IMAGE' &&
      error.message.includes(path) &&
      error.message.length < 600
    return plain ? `refused: ${error.code}` : `odd failure: ${String(error?.stack ?? error).slice(0, 2000)}`
  }
}

process.on('message', async (job) => {
  process.send(await outcome(job))
})
process.send('ready')
