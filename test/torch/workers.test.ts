import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { ScriptModule, torch } from '../../src/index.js'
import type { SharedModule } from '../../src/torch/index.js'

import { demoModel, fixture, root } from '../support/paths.js'
import { largestDifference } from '../support/tensors.js'

const shape = [4, 1, 28, 28]

/** A worker thread with a module, loaded or shared. */
class Thread {
  readonly #worker: Worker

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  static async start(data: {
    path?: string
    shared?: SharedModule
    shape?: readonly number[]
  }): Promise<Thread> {
    const worker = new Worker(`${root}/test/fixtures/worker.mjs`, { workerData: { shape, ...data } })
    await once(worker, 'message') // rejects with the worker's error
    return new Thread(worker)
  }

  // biome-ignore lint/suspicious/noExplicitAny: each task answers with its own value
  async ask(task: string, argument?: unknown): Promise<any> {
    this.#worker.postMessage([task, argument])
    return (await once(this.#worker, 'message'))[0]
  }

  /** Waits until the thread ends, and returns its exit code. */
  async leave(): Promise<number> {
    this.#worker.postMessage(['leave'])
    return (await once(this.#worker, 'exit'))[0] as number
  }
}

let threads: Thread[] = []

async function start(count: number, data: Parameters<typeof Thread.start>[0]): Promise<Thread[]> {
  threads = await Promise.all(Array.from({ length: count }, () => Thread.start(data)))
  return threads
}

/** They all end by themselves, without an error. */
afterEach(async () => {
  const codes = await Promise.all(threads.map((thread) => thread.leave()))
  threads = []
  expect(codes.every((code) => code === 0)).toBe(true)
})

const forward = async (module: ScriptModule, input = torch.ones(shape)) =>
  (await torch.noGrad(() => module.forward(input))).toTypedArray() as Float32Array

describe('worker threads', () => {
  it('have the addon in eight at once, each with modules and a lane of its own', async () => {
    await start(8, { path: demoModel })
    const expected = await forward((await ScriptModule.load(demoModel)).eval())
    const results = await Promise.all(
      threads.map(async (thread) => [await thread.ask('compute'), await thread.ask('forward')]),
    )
    for (const [sum, logits] of results) {
      expect(sum).toBe(256)
      expect(largestDifference(logits, expected)).toBeLessThan(1e-5)
    }
  })
})

describe('a module that threads share', () => {
  it('has the same weights in each: what one writes, the others read', async () => {
    const module = (await ScriptModule.load(demoModel)).eval()
    const [one, two] = await start(2, { shared: module.share() })
    const weight = module.namedParameters().get('fc.weight')!
    const count = weight.numel()
    torch.noGrad(() => weight.fill_(2))
    expect(await one!.ask('sum', 'fc.weight')).toBe(2 * count)
    await two!.ask('fill', ['fc.weight', 3])
    expect([weight.sum().item(), await one!.ask('sum', 'fc.weight')]).toEqual([3 * count, 3 * count])
  })

  it('takes no memory for its weights in each, and gives the same outputs', async () => {
    const module = (await ScriptModule.load(fixture('resnet50.scripted.pt'))).eval()
    const bytes = module.parameters().reduce((sum, parameter) => sum + 4 * parameter.numel(), 0)
    const image = torch.ones([1, 3, 64, 64])
    const expected = await forward(module, image)
    const before = process.memoryUsage.rss()
    await start(4, { shared: module.share(), shape: image.shape })
    const results = await Promise.all(threads.map((thread) => thread.ask('forward')))
    const grown = process.memoryUsage.rss() - before
    for (const result of results) expect(largestDifference(result, expected)).toBeLessThan(1e-4)
    // Four environments and their forwards take 150 to 290 MB. Four copies of the weights would be 400 MB more.
    expect(bytes).toBeGreaterThan(100e6)
    expect(grown).toBeLessThan(4 * bytes)
  })

  it('runs side by side in eval mode', async () => {
    const module = (await ScriptModule.load(demoModel)).eval()
    await start(4, { shared: module.share() })
    const expected = await forward(module)
    await Promise.all([...threads.map((thread) => thread.ask('forwards', 10)), forward(module)])
    expect(await threads[0]!.ask('forward')).toEqual([...expected])
  })

  it.each([
    ['all', ''],
    ['a part', 'layer1'],
  ])('counts each batch once where %s of it is in train mode', async (_, part) => {
    const module = (await ScriptModule.load(demoModel)).eval()
    if (part === '') module.train()
    else module.submodule(part).train()
    // Batches are the same, so one after another in any order gives these statistics.
    const alone = await module.clone()
    for (let i = 0; i < 40; i++) await forward(alone)
    await start(4, { shared: module.share() })
    await Promise.all(threads.map((thread) => thread.ask('forwards', 10)))
    const counted = module.namedBuffers()
    for (const [name, expected] of alone.namedBuffers()) {
      const difference = counted.get(name)!.sub(expected).abs().max().item()
      expect(difference, name).toBeLessThan(name.endsWith('num_batches_tracked') ? 0.5 : 1e-4)
    }
    const count = `${part === '' ? '' : `${part}.`}bn1.num_batches_tracked`
    const before = (await ScriptModule.load(demoModel)).namedBuffers().get(count)!.item()
    expect(counted.get(count)!.item() - before).toBe(40)
  })

  it('cannot be taken over once it was freed, nor by an invalid number', async () => {
    const module = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const shared = module.share()
    expect(ScriptModule.fromShared(shared).parameters().length).toBeGreaterThan(0)
    expect(module.share()).toEqual(shared)
    const gone = expect.objectContaining({ code: 'ERR_SHARED_GONE' })
    expect(() => ScriptModule.fromShared({ sharedModule: 1e9, path: '', device: 'cpu' })).toThrow(gone)
    const other = await ScriptModule.load(fixture('mlp.scripted.pt'))
    const lent = other.share()
    other.dispose()
    expect(() => ScriptModule.fromShared(lent)).toThrow(gone)
  })
})
