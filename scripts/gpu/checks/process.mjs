/** Checks of the whole process: no memory left, long runs, worker threads, process groups. */
import { createServer } from 'node:net'
import { Worker } from 'node:worker_threads'

import { demo } from './modules.mjs'

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

export const checks = {
  async 'an allocation that cannot succeed, and a forward after it'(context) {
    const { sos, device, findings } = context
    const { model, images } = await demo(context, device)
    const before = await sos.torch.noGrad(() => model.forward(images))
    const huge = [2 ** 45] // 128 TiB
    await findings.refused('32 tebi numbers', ['ERR_OUT_OF_MEMORY'], async () =>
      sos.torch.empty(huge, { device }),
    )
    await findings.refused('the same off the event loop', ['ERR_OUT_OF_MEMORY'], () =>
      sos.torch.async.zeros(huge, { device }),
    )
    findings.close('the logits afterwards', await sos.torch.noGrad(() => model.forward(images)), before, 0)
  },

  async 'memory over 2,000 forwards'(context) {
    const { sos, device, findings, quick } = context
    const { torch, memoryStats } = sos
    const { noGrad } = torch
    const { model, images } = await demo(context, device, 'float32')
    const used = () => (device === 'cpu' ? memoryStats().bytes : torch.cuda.memoryAllocated(device))
    const forwards = async (count) => {
      for (let i = 0; i < count; i++) {
        if (i % 4 === 0)
          await model.forward(images) // with a graph, which is dropped
        else await noGrad(() => model.forward(images))
      }
      globalThis.gc?.()
      await new Promise((resolve) => setTimeout(resolve, 50))
      if (device !== 'cpu') await torch.cuda.synchronize()
    }
    await forwards(quick ? 20 : 200)
    const before = used()
    await forwards(quick ? 200 : 2000)
    const grown = (used() - before) / 2 ** 20
    findings.largest('MB grown', grown)
    findings.same('memory grew by less than 64 MB', grown < 64, true)
  },

  async 'a module that a worker thread borrows'(context) {
    const { sos, device, findings, packageUrl } = context
    const { model } = await demo(context, device, 'float32')
    const code = `const { parentPort, workerData } = require('node:worker_threads')
      import(workerData.packageUrl).then(async ({ ScriptModule, torch }) => {
        const model = ScriptModule.fromShared(workerData.shared)
        const images = torch.randn([4, 1, 28, 28], { generator: new torch.Generator(6) }).to({ device: model.device })
        const logits = await torch.noGrad(() => model.forward(images))
        parentPort.postMessage(Array.from(logits.to('cpu').toTypedArray()))
      }).catch((error) => parentPort.postMessage(String(error)))`
    const workers = [1, 2].map(
      () => new Worker(code, { eval: true, workerData: { shared: model.share(), packageUrl } }),
    )
    const answers = await Promise.all(
      workers.map(
        (worker) => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
      ),
    )
    await Promise.all(workers.map((worker) => worker.terminate()))
    const images = sos.torch.randn([4, 1, 28, 28], { generator: new sos.torch.Generator(6) }).to({ device })
    const expected = await sos.torch.noGrad(() => model.forward(images))
    for (const answer of answers) {
      if (typeof answer === 'string') findings.same('the worker', answer, 'logits')
      else findings.close('the logits of the worker', answer, expected, 1e-5)
    }
  },

  async 'a process group of one rank'(context) {
    const { sos, device, findings } = context
    const { ProcessGroup, torch } = sos
    const backend = device === 'cpu' ? 'gloo' : 'nccl'
    if (!ProcessGroup.backends().includes(backend)) {
      return context.leftOut(`the addon was built without ${backend}`)
    }
    const variables = { RANK: '0', LOCAL_RANK: '0', WORLD_SIZE: '1', MASTER_ADDR: '127.0.0.1' }
    Object.assign(process.env, variables, { MASTER_PORT: String(await freePort()) })
    const group = await ProcessGroup.fromEnvironment({ backend, timeout: 60_000 })
    try {
      const sent = torch.arange(5, { dtype: 'float32', device })
      const reduced = sent.clone()
      await group.allReduce([reduced], 'mean')
      findings.close('a mean over one rank', reduced, sent, 0)
      const told = sent.clone()
      await group.broadcast([told])
      findings.close('a broadcast of one rank', told, sent, 0)
    } finally {
      group.dispose()
      for (const name of Object.keys(variables)) delete process.env[name]
    }
  },
}
