import { describe, expect, it } from 'vitest'
import { ScriptModule, Tensor, torch } from '../../../src/index.js'
import type { Value } from '../../../src/torch/index.js'

import { fixture } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { randn } from '../../support/random.js'
import { largestDifference } from '../../support/tensors.js'

const load = async (name: string) => (await ScriptModule.load(fixture(`attention.${name}.pt`))).eval()
const images = () => randn([2, 1, 8, 8], 3)
const flat = (value: Value) => Array.from((value as Tensor).toTypedArray() as Float32Array)

function told(value: Value): unknown {
  if (Array.isArray(value)) return value.map(told)
  return value instanceof Tensor ? flat(value) : value
}

const sameNumbers = (given: unknown, expected: unknown): void => {
  if (expected === null) {
    expect(given).toBeNull()
    return
  }
  const [own, python] = [given, expected] as unknown[][]
  expect(own!.length).toBe(python!.length)
  if (typeof python![0] === 'number') {
    expect(largestDifference(own as number[], python as number[])).toBeLessThan(1e-5)
  } else {
    for (const [i, element] of python!.entries()) sameNumbers(own![i], element)
  }
}

describe('without gradients', () => {
  it.each([
    ['layer', ['enc']],
    ['layer', ['enc.linear1']],
    ['layer', ['enc.norm1', 'enc.self_attn', 'enc.dropout2', 'enc.linear2', 'patch', 'fc']],
    ['stack', ['enc.layers.1.linear1', 'enc.layers.0.linear2']],
    ['stack', ['enc']],
    ['attention', ['attn']],
  ])('hooks in %s on %j hear what those of eager PyTorch hear', async (network, paths) => {
    const python = await reference('attention_hooks', { network, paths, shape: [2, 1, 8, 8], seed: 3 })
    const model = await load(network)
    const calls: [string, unknown][] = []
    for (const path of paths) {
      model.registerForwardHook(path, ({ output }) => void calls.push([path, told(output)]))
    }
    const logits = await torch.noGrad(() => model.forward(images()))
    expect(calls.map(([path]) => path)).toEqual(python.calls.map(([path]: [string]) => path))
    expect(calls.length).toBeGreaterThan(0)
    for (const [i, [, output]] of calls.entries()) sameNumbers(output, python.calls[i][1])
    expect(largestDifference(flat(logits), python.logits)).toBeLessThan(1e-5)
  })

  it('a hook may replace what passes inside a layer that could be fused', async () => {
    const model = await load('layer')
    const before = await torch.noGrad(() => model.forward(images()))
    using _hook = model.registerForwardHook(
      'enc.linear2',
      ({ output }) => torch.zeros_like(output as Tensor),
      {
        replace: true,
      },
    )
    const after = await torch.noGrad(() => model.forward(images()))
    // norm2(norm1(x + attention) + 0): what a second network without the block computes.
    expect(largestDifference(flat(after), flat(before))).toBeGreaterThan(1e-3)
    const bias = model.namedParameters().get('enc.linear2.bias')!
    const weight = model.namedParameters().get('enc.linear2.weight')!
    torch.noGrad(() => [bias, weight].forEach((tensor) => void tensor.zero_()))
    using plain = await model.clone()
    expect(
      largestDifference(flat(await torch.noGrad(() => plain.forward(images()))), flat(after)),
    ).toBeLessThan(1e-5)
  })

  it('None in a tuple is null, to a hook that replaces too, and continues as it was', async () => {
    const model = await load('attention')
    const plain = flat(await torch.noGrad(() => model.forward(images())))
    const heard: Value[] = []
    model.registerForwardHook('attn', ({ output }) => void heard.push(output), { reduce: 'mean' })
    model.registerForwardHook('attn', ({ output }) => void heard.push(output))
    model.registerForwardHook('attn', ({ output }) => output as readonly Value[], { replace: true })
    expect(flat(await torch.noGrad(() => model.forward(images())))).toEqual(plain)
    expect(heard.map((output) => (output as Value[])[1])).toEqual([null, null])
    expect(heard.map((output) => ((output as Value[])[0] as Tensor).ndim)).toEqual([0, 3])
  })

  it('a lazily awaited call is heard', async () => {
    const model = await load('awaited')
    const seen: string[] = []
    model.registerForwardHook('mixer', ({ path }) => void seen.push(path))
    await torch.noGrad(() => model.forward(images()))
    expect(seen).toEqual(['mixer'])
  })
})

describe('a hook that could not hear what it is set on rejects the forward', () => {
  const rejection = async (network: string, path: string, options = {}) => {
    const model = await load(network)
    const hook = model.registerForwardHook(path, () => {}, options)
    const failure = await torch
      .noGrad(() => model.forward(images()))
      .then(
        () => null,
        (error) => error,
      )
    hook.remove()
    await torch.noGrad(() => model.forward(images())) // as if there had been none
    return failure
  }

  it.each([
    ['layer_traced', 'enc.linear1', /'enc.linear1' .* 'enc' is one fused operator/],
    ['layer_traced', '**', /'enc.self_attn' .* 'enc' is one fused operator/],
    ['chosen', 'mixers.1', /'mixers.1' would miss calls/],
    ['chosen', 'mixers.*', /'mixers.0' would miss calls/],
    ['listed', 'second', /'second' would miss calls/],
  ])('%s, %s: it is passed by', async (network, path, message) => {
    expect(await rejection(network, path)).toMatchObject({
      code: 'ERR_HOOK_BYPASSED',
      message: expect.stringMatching(message),
    })
  })

  it.each<[string, string, object?]>([
    ['layer', 'enc.self_attn.out_proj'],
    ['attention_traced', 'attn.out_proj'],
    ['functional', 'helper'],
    ['functional', 'helper.inner', { method: 'mix' }],
  ])('%s, %s: nothing calls it', async (network, path, options = {}) => {
    expect(await rejection(network, path, options)).toMatchObject({ code: 'ERR_NOT_CALLED' })
  })

  it('the error names the method that is called instead', async () => {
    expect((await rejection('functional', 'helper')).message).toContain("'mix'")
    expect(await rejection('functional', 'helper', { method: 'mix' })).toBeNull()
  })

  it('what is called by another method, or heard in part of a glob, is no error', async () => {
    expect(await rejection('functional', 'mixer')).toBeNull()
    expect(await rejection('functional', '**')).toBeNull()
    expect(await rejection('layer', '**')).toBeNull()
    for (const network of ['layer_traced', 'chosen', 'listed']) {
      for (const path of ['patch', 'fc', '']) expect(await rejection(network, path)).toBeNull()
    }
    expect(await rejection('layer_traced', 'enc')).toBeNull()
    expect(await rejection('attention_traced', 'attn')).toBeNull()
  })
})
