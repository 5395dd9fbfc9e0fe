// Writes the files of each message into a folder of their own and reads them with the reader that it names.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  cifar10,
  cifar100,
  idxFolder,
  imageFolder,
  imageNet,
  presets,
  ScriptModule,
} from '../../../dist/index.js'
import { checkpointRecord } from '../../../dist/model/index.js'
import { parseConfig, readRunRecord } from '../../../dist/train/index.js'

const colour = presets.resnet50
const grey = { ...colour, channels: 1, mean: [0.5], std: [0.5] }

const model = await ScriptModule.load(new URL('../../../assets/fashion-resnet.pt', import.meta.url).pathname)

const readers = {
  classes: (folder) => imageFolder(join(folder, 'root'), colour),
  imagenet: (folder) => imageNet(folder, 'val', colour),
  idx: (folder) => idxFolder(folder, 'train', grey),
  cifar10: (folder) => cifar10(join(folder, 'some.bin'), null, colour),
  cifar100: (folder) => cifar100(join(folder, 'some.bin'), null, colour),
  'sos.json': (_, files) =>
    checkpointRecord(
      Object.defineProperty(model, 'extraFiles', {
        value: { 'sos.json': files['sos.json'].toString() },
        configurable: true,
      }),
    ),
  config: (_, files) => parseConfig(JSON.parse(files['config.json'].toString()), 'config.json'),
  'run.jsonl': (folder) => readRunRecord(join(folder, 'run.jsonl')),
}

async function outcome({ reader, files }) {
  const folder = mkdtempSync(join(tmpdir(), 'sos-reader-'))
  try {
    const contents = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, Buffer.from(text, 'base64')]),
    )
    for (const [name, content] of Object.entries(contents)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), content)
    }
    const read = await readers[reader](folder, contents)
    if (read?.labels !== undefined) {
      const wrong = read.labels.findIndex((label) => !(label >= 0 && label < read.classes.length))
      if (wrong >= 0) return `odd label ${read.labels[wrong]} of ${read.classes.length} classes`
    }
    return 'read'
  } catch (error) {
    if (reader === 'config' && error instanceof SyntaxError) return 'refused: no JSON'
    const plain =
      error instanceof Error &&
      /^ERR_[A-Z_]+$/.test(error.code) &&
      error.message !== '' &&
      error.message.length < 6000
    return plain ? `refused: ${error.code}` : `odd failure: ${String(error?.stack ?? error).slice(0, 2000)}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.on('message', async (job) => {
  process.send(await outcome(job))
})
process.send('ready')
