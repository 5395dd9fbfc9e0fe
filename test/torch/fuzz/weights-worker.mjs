// Loads the weights file of each message, from its path or from bytes, and reads each tensor.
import { readFileSync } from 'node:fs'
import { loadStateDict } from '../../../dist/index.js'

async function outcome({ path, fromBytes, key }) {
  try {
    const tensors = await loadStateDict(
      fromBytes ? readFileSync(path) : path,
      key === undefined ? {} : { key },
    )
    for (const tensor of tensors.values()) {
      // Of a tensor that is expanded from few elements the whole may be larger than any memory.
      if (tensor.numel() < 1e6) tensor.contiguous().toTypedArray()
      tensor.dispose()
    }
    return 'loaded'
  } catch (error) {
    const plain =
      error instanceof Error &&
      /^ERR_[A-Z_]+$/.test(error.code) &&
      error.message !== '' &&
      error.message.length < 3000 &&
      !/Exception raised from|CapturedTraceback/.test(error.message)
    return plain ? `refused: ${error.code}` : `odd failure: ${String(error?.stack ?? error).slice(0, 2000)}`
  }
}

process.on('message', async (job) => {
  process.send(await outcome(job))
})
process.send('ready')
