// Loads the file of each message, from its path or from bytes, asks the module all about itself and runs it once.
import { readFileSync } from 'node:fs'
import { ScriptModule, torch } from '../../../dist/index.js'

const { noGrad } = torch

async function outcome({ path, fromBytes, shape, method }) {
  let module
  try {
    module = await ScriptModule.load(fromBytes ? readFileSync(path) : path)
  } catch (error) {
    return plain(error, 'refused')
  }
  try {
    for (const { path } of module.modules()) module.submodule(path).kind
    for (const schema of module.methods) {
      const name = schema.slice(0, schema.indexOf('('))
      module.code(name)
      module.graph(name, { inlined: true })
      module.calledSubmodules(name)
    }
    for (const name of module.attributes.keys()) module.attribute(name)
    for (const tensor of module.stateDict().values()) tensor.sum()
    const args = method === 'nested' ? [[[1, 'one']]] : [torch.ones(shape)]
    await noGrad(() => module.eval().call(method, ...args))
    return 'ran'
  } catch (error) {
    return plain(error, 'loaded')
  } finally {
    module.dispose()
  }
}

/** Errors have a code, and a message without the native side's stack. */
function plain(error, stage) {
  const good =
    error instanceof Error &&
    /^ERR_[A-Z_]+$/.test(error.code) &&
    error.message !== '' &&
    !/Exception raised from|CapturedTraceback/.test(error.message)
  return good ? `${stage}: ${error.code}` : `odd failure: ${error?.stack ?? error}`
}

process.on('message', async (job) => {
  process.send(await outcome(job))
})
process.send('ready')
