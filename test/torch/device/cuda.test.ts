import { describe, expect, it } from 'vitest'
import { hvp, ScriptModule, type Tensor, torch } from '../../../src/index.js'
import type { Generator } from '../../../src/torch/index.js'

import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'

const available = torch.cuda.isAvailable()
if (!available) process.stderr.write('there is no CUDA device: the tests that need one are left out\n')

const noDevice = expect.objectContaining({ code: 'ERR_DEVICE' })
const onGpu = (tensor: Tensor) => tensor.to({ device: 'cuda' })
const onCpu = (tensor: Tensor) => tensor.to({ device: 'cpu' })
const distance = (a: Tensor, b: Tensor) => onCpu(a).sub(onCpu(b)).abs().max().item()

describe('cuda', () => {
  it('is reached from torch too, and counts the devices', () => {
    expect(torch.cuda).toBe(torch.cuda)
    expect(torch.cuda.deviceCount() > 0).toBe(available)
  })

  it('reports a device that is not there', async () => {
    const missing = `cuda:${torch.cuda.deviceCount() + 1}`
    const uses = [
      () => torch.cuda.getDeviceName(missing),
      () => torch.cuda.memoryAllocated(missing),
      () => torch.cuda.memGetInfo(missing),
      () => torch.cuda.resetPeakMemoryStats(missing),
      () => torch.cuda.getRngState(missing),
      () => torch.getRngState(missing),
      () => new torch.Generator(1, { device: missing }),
      () => torch.tensor([1], { device: missing }),
      () => torch.cuda.getDeviceName('cpu'),
      () => torch.cuda.memoryStats('cuda:x'),
    ]
    for (const use of uses) expect(use).toThrow(noDevice)
    await expect(torch.cuda.synchronize(missing)).rejects.toEqual(noDevice)
  })
})

describe.skipIf(available)('without a CUDA device', () => {
  it('seeds and caches are none, which is no error, as in Python', () => {
    torch.cuda.manualSeed(1)
    torch.cuda.manualSeedAll(1)
    torch.cuda.emptyCache()
    expect(() => torch.cuda.currentDevice()).toThrow(noDevice)
    expect(() => torch.cuda.initialSeed()).toThrow(noDevice)
  })
})

describe.runIf(available)('on a CUDA device', () => {
  // First: later tests leave tensors for the collector.
  it('counts its memory', async () => {
    const megabyte = 2 ** 20
    torch.cuda.resetPeakMemoryStats()
    const before = torch.cuda.memoryAllocated()
    const tensor = torch.zeros([megabyte], { device: 'cuda', dtype: 'uint8' })
    await torch.cuda.synchronize()
    expect(torch.cuda.memoryAllocated() - before).toBe(megabyte)
    expect(torch.cuda.maxMemoryAllocated()).toBeGreaterThanOrEqual(before + megabyte)
    expect(torch.cuda.memoryReserved()).toBeGreaterThanOrEqual(torch.cuda.memoryAllocated())
    expect(torch.cuda.maxMemoryReserved()).toBeGreaterThanOrEqual(torch.cuda.memoryReserved())
    tensor.dispose()
    expect(torch.cuda.memoryAllocated()).toBe(before)
    torch.cuda.resetPeakMemoryStats()
    expect(torch.cuda.maxMemoryAllocated()).toBe(before)
    const large = torch.empty([64 * megabyte], { device: 'cuda', dtype: 'uint8' })
    large.dispose()
    const cached = torch.cuda.memoryReserved()
    torch.cuda.emptyCache()
    expect(torch.cuda.memoryReserved()).toBeLessThan(cached)
    torch.cuda.resetAccumulatedMemoryStats()
    expect(torch.cuda.memoryStats()['allocation.all.allocated']).toBe(0)
  })

  it('operators agree with those on the CPU', async () => {
    const [a, b] = [randn([64, 48], 1, 'float64'), randn([48, 32], 2, 'float64')]
    expect(distance(torch.matmul(onGpu(a), onGpu(b)), torch.matmul(a, b))).toBeLessThan(1e-12)
    expect(distance(await torch.async.softmax(onGpu(a), 1), torch.softmax(a, 1))).toBeLessThan(1e-14)
    expect(torch.tensor([1, 2], { device: 'cuda:0' }).device).toBe('cuda:0')
  })

  it("Hessian-vector products of a TorchScript module agree with Python's, three times over", async () => {
    const file = fixture('mlp.scripted.pt')
    const shape = [5, 6]
    const python = await reference('hvp', { model: file, shape, seed: 5, classes: 3, vectorSeed: 6 })
    const model = (await ScriptModule.load(file, { device: 'cuda' })).eval()
    const parameters = model.parameters()
    const generator = new torch.Generator(6)
    const vector = parameters.map((parameter) =>
      onGpu(torch.randn([...parameter.shape], { generator, dtype: 'float64' })),
    )
    const labels = torch.tensor(
      Array.from({ length: 5 }, (_, i) => i % 3),
      { dtype: 'int64', device: 'cuda' },
    )
    for (let run = 0; run < 3; run++) {
      const output = await model.forward(onGpu(randn(shape, 5, 'float64')))
      expect(output.device).toBe('cuda:0')
      const loss = torch.cross_entropy_loss(output, labels)
      expect(loss.item()).toBeCloseTo(python.loss, 10)
      const products = await hvp(loss, parameters, vector)
      products.forEach((product, i) => {
        const head = onCpu(product).reshape([-1]).toTypedArray().slice(0, 5)
        for (const [k, value] of (python.products[i] as number[]).entries()) {
          expect(Number(head[k])).toBeCloseTo(value, 10)
        }
      })
    }
  })

  it('gradients of a convolutional network are near those on the CPU', async () => {
    const gradientOn = async (device: string) => {
      const model = (await ScriptModule.load(fixture('resnet18.scripted.pt'), { device })).eval()
      const output = await model.forward(randn([2, 3, 64, 64], 5).to({ device }))
      const [gradient] = await torch.autograd.grad([output.square().sum()], [model.parameters()[0]!])
      return gradient!
    }
    const [gpu, cpu] = [await gradientOn('cuda'), await gradientOn('cpu')]
    expect(distance(gpu, cpu)).toBeLessThan(1e-2 * cpu.abs().max().item())
  })

  it("describes itself and draws what Python's does", async () => {
    const python = await reference('cuda_device', { seed: 11 })
    expect(torch.cuda.deviceCount()).toBe(python.devices)
    expect(torch.cuda.currentDevice()).toBe(0)
    expect(torch.cuda.getDeviceName()).toBe(python.name)
    expect(torch.cuda.getDeviceCapability(0)).toEqual(python.capability)
    const { multiProcessorCount, totalMemory } = torch.cuda.getDeviceProperties('cuda:0')
    expect(multiProcessorCount).toBe(python.multiProcessorCount)
    expect(totalMemory).toBe(python.totalMemory)
    expect(torch.cuda.memGetInfo()[1]).toBe(python.total)
    expect(Object.keys(torch.cuda.memoryStats())).toEqual(expect.arrayContaining(python.stats))

    const draw = (generator: Generator | null = null) =>
      [
        torch.randn([7], { generator, device: 'cuda' }),
        torch.rand([3], { generator, device: 'cuda', dtype: 'float64' }),
        torch.bernoulli(torch.full([20], 0.3, { device: 'cuda' }), { generator }),
      ].map((tensor) => tensor.toArray())
    torch.manualSeed(11)
    expect(draw()).toEqual(python.draws)
    const state = torch.cuda.getRngState()
    expect(state.toArray()).toEqual(python.state)
    expect(draw()).toEqual(python.next)
    torch.cuda.setRngState(state)
    expect(draw()).toEqual(python.next)
    for (const seed of [torch.cuda.manualSeed, torch.cuda.manualSeedAll]) {
      seed(11)
      expect(torch.cuda.initialSeed()).toBe(11)
      expect(draw()).toEqual(python.draws)
    }
    const own = new torch.Generator(11, { device: 'cuda' })
    expect(own.device).toBe('cuda:0')
    expect(draw(own)).toEqual(python.own)
    expect(own.getState().toArray()).toEqual(python.ownState)
  })

  it('says that its memory is full, and continues', () => {
    expect(() => torch.empty([2 ** 50], { device: 'cuda', dtype: 'uint8' })).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
    )
    expect(torch.ones([2], { device: 'cuda' }).toArray()).toEqual([1, 1])
  })

  it('refuses tensors and generators of another device', () => {
    const gpu = torch.ones([2, 2], { device: 'cuda' })
    const torchError = expect.objectContaining({ code: 'ERR_TORCH' })
    expect(() => gpu.matmul(torch.ones([2, 2]))).toThrow(torchError)
    expect(() => gpu.matmul(torch.ones([2, 2]))).toThrow(/same device/)
    expect(() => torch.randn([2], { device: 'cuda', generator: new torch.Generator(1) })).toThrow(torchError)
    expect(() => torch.randn([2], { generator: new torch.Generator(1, { device: 'cuda' }) })).toThrow(
      torchError,
    )
  })

  it('casts under autocast, to float16 unless told otherwise, and leaves the CPU alone', () => {
    const gpu = torch.ones([2, 2], { device: 'cuda' })
    const cpu = torch.ones([2, 2])
    const dtypes = () => [gpu.matmul(gpu).dtype, cpu.matmul(cpu).dtype]
    expect(torch.autocast({ device: 'cuda' }, dtypes)).toEqual(['float16', 'float32'])
    expect(torch.autocast({ device: 'cuda', dtype: 'bfloat16' }, dtypes)).toEqual(['bfloat16', 'float32'])
    expect(torch.autocast({ device: 'cpu' }, dtypes)).toEqual(['float32', 'bfloat16'])
  })
})
