import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadStateDict, ScriptModule, saveStateDict, type Tensor, torch } from '../../../src/index.js'
import { readSafetensors } from '../../../src/torch/index.js'

import { demoModel, temporaryFolder } from '../../support/paths.js'
import { reference } from '../../support/python.js'
import { type DescribedTensor, describeTensors } from '../../support/weights.js'

const folder = temporaryFolder()
const code = (expected: string) => expect.objectContaining({ code: expected })
const zips = [2, 3, 4, 5].map((protocol) => `zip${protocol}.pt`)
const legacies = [2, 3, 4, 5].map((protocol) => `legacy${protocol}.pth`)

let written: Record<string, Record<string, DescribedTensor>>
beforeAll(async () => {
  written = await reference('weights', { write: folder })
})

describe('loadStateDict', () => {
  it.each([...zips, ...legacies, 'kinds.safetensors', 'metadata.pt', 'big-endian.pt', 'legacy-view.pth'])(
    "reads Python's %s bit by bit, from a file and from bytes",
    async (file) => {
      const path = join(folder, file)
      const tensors = await loadStateDict(path)
      expect(describeTensors(tensors)).toEqual(written[file])
      expect(describeTensors(await loadStateDict(readFileSync(path)))).toEqual(written[file])
      expect([...tensors.values()].some(({ requiresGrad }) => requiresGrad)).toBe(false)
    },
  )

  it.each([zips[0]!, legacies[0]!])('keeps what shares memory in %s shared', async (file) => {
    const tensors = await loadStateDict(join(folder, file))
    torch.noGrad(() => tensors.get('tied')!.fill_(3))
    expect(tensors.get('tied_again')!.sum().item()).toBe(3 * 24)
    expect(tensors.get('view')!.toArray()).toEqual([
      [3, 3, 3],
      [3, 3, 3],
    ])
    expect(tensors.get('float32')!.eq(3).any().item()).toBe(0)
  })

  it.each(['checkpoint.pt', 'checkpoint-legacy.pt'])('finds the weights in %s by their key', async (file) => {
    const path = join(folder, file)
    const tensors = await loadStateDict(path, { key: 'state_dict', stripPrefix: 'module.' })
    expect(describeTensors(tensors)).toEqual(written[file])
    expect([...(await loadStateDict(path, { key: 'state_dict' })).keys()][0]).toBe('module.0.weight')
    await expect(loadStateDict(path)).rejects.toEqual(code('ERR_NOT_STATE_DICT'))
    await expect(loadStateDict(path)).rejects.toThrow(/'epoch' \(number\).*'state_dict' \(dict of 7\)/)
    await expect(loadStateDict(path, { key: 'state_dic' })).rejects.toThrow("did you mean 'state_dict'?")
    await expect(loadStateDict(path, { key: 'rest' })).rejects.toThrow('list of 10')
  })

  it.each(['training.pt', 'training-legacy.pt'])(
    'passes over the objects of a training script beside the weights in %s, which it finds by a path',
    async (file) => {
      const path = join(folder, file)
      const expected = written[file]
      for (const key of ['model.state_dict', 'model.epoch.last']) {
        expect(describeTensors(await loadStateDict(path, { key }))).toEqual(expected)
      }
      await expect(loadStateDict(path)).rejects.toEqual(code('ERR_NOT_STATE_DICT'))
      await expect(loadStateDict(path)).rejects.toThrow(
        /'args' \(object argparse\.Namespace\).*\{ key: 'model\.state_dict' \}/,
      )
      await expect(loadStateDict(path, { key: 'model.statedict' })).rejects.toThrow(
        "there is none; did you mean 'model.state_dict'? The file holds",
      )
      // Of all the dicts of tensors in the file, the hint is the one below the key.
      await expect(loadStateDict(path, { key: 'averaged' })).rejects.toThrow(
        "load it with { key: 'averaged.module' }",
      )
      for (const key of ['args', 'settings', 'quantised', 'function']) {
        await expect(loadStateDict(path, { key }), key).rejects.toMatchObject({
          code: expect.stringMatching(/^ERR_(UNSAFE_PICKLE|NOT_STATE_DICT)$/),
        })
      }
    },
  )

  it('reports a pickled module by its class, alone or in a dict, from both loaders', async () => {
    for (const file of ['wholetraining.pt', 'wholetraining-legacy.pt', 'moduletraining.pt']) {
      const path = join(folder, file)
      const named = /a pickled module of the class torch\.nn\.modules\.container\.Sequential/
      for (const key of file.startsWith('module') ? [undefined, 'net'] : [undefined]) {
        const loaded = loadStateDict(path, key === undefined ? {} : { key })
        await expect(loaded).rejects.toEqual(code('ERR_NOT_STATE_DICT'))
        await expect(loaded).rejects.toThrow(named)
      }
      await expect(ScriptModule.load(path)).rejects.toThrow(named)
    }
    await expect(ScriptModule.load(join(folder, 'legacy2.pth'))).rejects.toEqual(code('ERR_STATE_DICT'))
    await expect(ScriptModule.load(join(folder, 'kinds.safetensors'))).rejects.toEqual(code('ERR_STATE_DICT'))
  })

  it('takes an index for an item of a list, and a dict of no texts only by a path through it', async () => {
    const path = join(folder, 'training.pt')
    await expect(loadStateDict(path, { key: 'recent.0' })).rejects.toThrow("'recent.0'")
    await expect(loadStateDict(path, { key: 'recent.7' })).rejects.toThrow(
      "the key 'recent.7' but there is none",
    )
    await expect(loadStateDict(path, { key: 'model.' })).rejects.toThrow("the key 'model.' but there is none")
  })

  it.each([
    ['Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n'],
    ['web page', '<!DOCTYPE html>\n<html></html>'],
    ['empty file', ''],
    ['several files', '{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}'],
    ['HDF5', '\x89HDF\r\n\x1a\n'.padEnd(600, '\0')],
    ['gzip', '\x1f\x8b\x08\0'],
    ['TensorFlow Lite', `\x1c\0\0\0TFL3${'\0'.repeat(90)}`],
    ['ONNX', '\x08\x08\x12\x07pytorch\x1a\x062.13.0:\x9b\x02'],
    [
      'zip archive that PyTorch did not write',
      `PK\x03\x04${'\0'.repeat(22)}\x13\0\0\0[Content_Types].xml<?xml`,
    ],
    ['NumPy', '\x93NUMPY\x01\0'],
    ['tar archive', `${'module.tar'.padEnd(257, '\0')}ustar\x0000`.padEnd(1024, '\0')],
    ['torch.export', `PK\x03\x04${'\0'.repeat(22)}\x20\0\0\0serialized_exported_program.json{}`],
  ])('names what is a %s, to both loaders', async (what, content) => {
    const path = join(folder, 'foreign')
    writeFileSync(path, content, 'latin1')
    await expect(loadStateDict(path)).rejects.toThrow(what)
    await expect(loadStateDict(path)).rejects.toEqual(code('ERR_NOT_STATE_DICT'))
    for (const source of [path, readFileSync(path)]) {
      await expect(ScriptModule.load(source)).rejects.toThrow(what)
      await expect(ScriptModule.load(source)).rejects.toEqual(code('ERR_NOT_TORCHSCRIPT'))
    }
  })

  it("names torch.export's archive of today", async () => {
    for (const load of [loadStateDict, (path: string) => ScriptModule.load(path)]) {
      await expect(load(join(folder, 'program.pt2'))).rejects.toThrow('a program of torch.export (.pt2)')
    }
  })

  it('reports what is no file of weights', async () => {
    const path = join(folder, 'other')
    await expect(loadStateDict(join(folder, 'missing.pt'))).rejects.toEqual(code('ERR_FILE_NOT_FOUND'))
    await expect(loadStateDict(folder)).rejects.toEqual(code('ERR_FILE_UNREADABLE'))
    await expect(loadStateDict(demoModel)).rejects.toThrow('this is a TorchScript model')
    for (const content of ['', 'text', 'PK\x03\x04', '\x80\x02.', '<html>']) {
      writeFileSync(path, content, 'latin1')
      await expect(loadStateDict(path)).rejects.toThrow(path)
    }
  })

  it('leaves no tensor behind in a scope that has ended', async () => {
    const tensors = await loadStateDict(join(folder, 'zip2.pt'))
    for (const tensor of tensors.values()) tensor.dispose()
    expect([...tensors.values()].every(({ disposed }) => disposed)).toBe(true)
  })
})

describe('saveStateDict', () => {
  // Each Python costs seconds: all files are written first and read by one.
  const files = ['ours.pt', 'ours.safetensors', 'none.pt', 'none.safetensors', 'two-dtypes.pt', 'zip2.pt']
  const python = new Map<string, { tensors: Record<string, DescribedTensor>; shared: string[][] }>()
  beforeAll(async () => {
    const save = (file: string, tensors: Map<string, Tensor>) => saveStateDict(join(folder, file), tensors)
    const tensors = await loadStateDict(join(folder, 'zip2.pt'))
    await save('ours.pt', tensors)
    tensors.delete('complex128')
    await save('ours.safetensors', tensors)
    await save('none.pt', new Map())
    await save('none.safetensors', new Map())
    const bytes = torch.arange(8, { dtype: 'uint8' })
    await save(
      'two-dtypes.pt',
      new Map<string, Tensor>([
        ['bytes', bytes],
        ['shorts', bytes.view('int16')],
      ]),
    )
    const read = await reference('weights', { read: files.map((file) => join(folder, file)) })
    files.forEach((file, i) => {
      python.set(file, read[i])
    })
  })

  it('writes a torch.save archive that Python reads with weights_only, with shared memory shared', async () => {
    const { tensors, shared } = python.get('ours.pt')!
    expect(tensors).toEqual(written['zip2.pt'])
    expect(shared).toEqual(python.get('zip2.pt')!.shared)
    expect(shared).toContainEqual(['row', 'tied', 'tied_again', 'view'])
    expect(describeTensors(await loadStateDict(join(folder, 'ours.pt')))).toEqual(written['zip2.pt'])
  })

  it("writes safetensors that Python's safetensors reads", async () => {
    const { complex128: _, ...expected } = written['zip2.pt']!
    expect(python.get('ours.safetensors')!.tensors).toEqual(expected)
    const path = join(folder, 'ours.safetensors')
    expect(describeTensors(await loadStateDict(path))).toEqual(expected)
    expect((await readSafetensors(path)).metadata).toEqual({ format: 'pt' })
  })

  it('writes files without weights too', async () => {
    for (const file of ['none.pt', 'none.safetensors']) {
      expect(await loadStateDict(join(folder, file))).toEqual(new Map())
      expect(python.get(file)!.tensors).toEqual({})
    }
  })

  it('gives two dtypes over one memory a storage each', () => {
    const { bytes, shorts } = python.get('two-dtypes.pt')!.tensors
    expect(shorts).toEqual({ dtype: 'int16', shape: [4], bytes: bytes!.bytes })
  })

  it('says what cannot be written, and leaves the file that was there', async () => {
    const path = join(folder, 'kept.safetensors')
    writeFileSync(path, 'kept')
    const one = torch.zeros([1])
    const complex = new Map([['z', torch.zeros([1], { dtype: 'complex128' })]])
    await expect(saveStateDict(path, complex)).rejects.toEqual(code('ERR_DTYPE'))
    await expect(saveStateDict(path, new Map([['__metadata__', one]]))).rejects.toEqual(
      code('ERR_INVALID_ARGUMENT'),
    )
    const sparse = new Map([['s', torch.eye(2).to_sparse()]])
    await expect(saveStateDict(path, sparse)).rejects.toThrow("'s'")
    await expect(saveStateDict(join(folder, 's.pt'), sparse)).rejects.toEqual(code('ERR_LAYOUT'))
    await expect(saveStateDict(join(folder, 'x.bin5'), new Map())).rejects.toEqual(
      code('ERR_INVALID_ARGUMENT'),
    )
    const nowhere = join(folder, 'missing', 'x.pt')
    await expect(saveStateDict(nowhere, new Map([['one', one]]))).rejects.toEqual(code('ERR_OUTPUT'))
    expect(readFileSync(path, 'utf8')).toBe('kept')
    expect(existsSync(join(folder, 's.pt'))).toBe(false)
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })
})
