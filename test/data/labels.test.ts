import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Dataset, imageNetSynsets } from '../../src/data/index.js'
import { datasetFor, evaluate, imageFolder, ScriptModule, subset, withClasses } from '../../src/index.js'
import { classesOf } from '../../src/model/index.js'

import { animals, coloursModel, folderWith, recipe } from '../support/colours.js'
import { fixture } from '../support/paths.js'
import { reference } from '../support/python.js'

const warned: string[] = []
beforeEach(() => {
  warned.length = 0
  vi.spyOn(process, 'emitWarning').mockImplementation((message, options) => {
    warned.push(`${(options as { code: string }).code}: ${message}`)
  })
})
afterEach(() => vi.restoreAllMocks())

const named = async (classes: readonly string[] | null) => ScriptModule.load(await coloursModel(12, classes))
const labels = (message: string) =>
  expect.objectContaining({ code: 'ERR_LABELS', message: expect.stringContaining(message) })

/** A dataset of labels alone. */
const labelled = (classes: string[], given: number[]): Dataset => ({
  name: 'data',
  size: given.length,
  classes,
  labels: Int32Array.from(given),
  load: async () => expect.unreachable(),
})

describe('classes that a model names', () => {
  it('are found by their names, a part of them, in any order of the folders', async () => {
    // 'lynx' before 'ant' by the model, after it by the folders.
    const model = await named([...animals].reverse())
    const place = (name: string) => 11 - animals.indexOf(name)
    const root = await folderWith({
      'ant/1.png': place('ant'),
      'fox/1.png': place('fox'),
      'fox/2.png': place('fox'),
      'lynx/1.png': place('lynx'),
    })
    const data = await imageFolder(root, recipe)
    expect([...data.labels]).toEqual([0, 1, 1, 2])
    await expect(evaluate(model, data)).rejects.toEqual(
      labels("'ant' is number 0 in the dataset and number 11 there"),
    )
    const mapped = datasetFor(model, data)
    expect([...mapped.labels]).toEqual([11, 6, 6, 0])
    expect(mapped.classes).toEqual(classesOf(model))
    const { top1, images, warnings, perClass } = await evaluate(model, mapped, { perClass: true })
    expect([top1, images, warnings]).toEqual([100, 4, []])
    expect(perClass!.filter((one) => one.images > 0).map(({ name }) => name)).toEqual(['lynx', 'fox', 'ant'])
    const part = subset(mapped, [3, 0])
    expect((await evaluate(model, part)).top1).toBe(100)
    const { pixels } = part
    expect((await pixels!.load([0, 1])).images.shape).toEqual([2, 3, 8, 8])
    expect(warned).toEqual([])
  })

  it('are refused if the dataset has others, and the nearest names are reported', async () => {
    const model = await named(animals)
    for (const [files, message] of [
      [{ 'ant/1.png': 0, 'beee/1.png': 1 }, 'there is no beee (did you mean bee'],
      [{ 'ant/1.png': 0, 'bee/1.png': 1, 'zebra/1.png': 2 }, '2 of the 3 are: there is no zebra'],
      [{ 'Ant/1.png': 0 }, 'none of the 1 are: there is no Ant'],
      [{ 'images/1.png': 0 }, 'there is no images'],
      [Object.fromEntries(animals.map((_, i) => [`class${i}/1.png`, i])), 'none of the 12 are'],
    ] as const) {
      const data = await imageFolder(await folderWith(files), recipe)
      expect(() => datasetFor(model, data)).toThrow(labels(message))
      await expect(evaluate(model, data)).rejects.toEqual(labels(message))
    }
  })

  it('are compared in one spelling of Unicode, without the spaces around them', async () => {
    const [nfc, nfd] = ['é', 'e\u0301']
    const outputs = animals.with(3, `caf${nfc}`).with(4, ' eel\t')
    const model = await named(outputs)
    const root = await folderWith({ [`caf${nfd}/1.png`]: 3, 'eel/1.png': 4 })
    const mapped = datasetFor(model, await imageFolder(root, recipe))
    expect([...mapped.labels]).toEqual([3, 4])
    expect((await evaluate(model, mapped)).top1).toBe(100)
    const twice = labelled([`caf${nfc}`, `caf${nfd}`], [0, 1])
    expect(() => datasetFor(model, twice)).toThrow(labels('are the same name in two spellings'))
  })

  it('of one name are refused where an image has it, and go by their places where all are listed', async () => {
    const outputs = animals.with(5, 'crane').with(9, 'crane')
    const model = await named(outputs)
    expect(() => datasetFor(model, labelled(['crane'], [0]))).toThrow(labels('could be output 5 or 9'))
    expect([...datasetFor(model, labelled(['crane', 'ant'], [1, 1])).labels]).toEqual([0, 0])
    expect([...datasetFor(model, labelled(outputs, [9, 5])).labels]).toEqual([9, 5])
  })

  it('are places where the dataset has only numbers, as many as there are outputs', async () => {
    const model = await named(animals)
    const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i))
    expect([...datasetFor(model, labelled(numbers(12), [7, 11])).labels]).toEqual([7, 11])
    for (const count of [10, 11, 13, 100]) {
      expect(() => datasetFor(model, labelled(numbers(count), [7, 8]))).toThrow(labels(`${count} numbers`))
    }
    expect([...datasetFor(await named(numbers(12)), labelled(['10', '2'], [0, 1])).labels]).toEqual([10, 2])
  })

  it('may be told under the names of the dataset', async () => {
    const model = await named(animals)
    const german = animals.map((name) => `das ${name}`)
    const root = await folderWith({ 'das dog/1.png': 3, 'das bee/1.png': 1 })
    const mapped = datasetFor(model, await imageFolder(root, recipe), german)
    expect([[...mapped.labels], mapped.classes]).toEqual([[1, 3], animals])
    expect((await evaluate(model, mapped)).top1).toBe(100)
    expect(() => datasetFor(model, mapped, german.slice(1))).toThrow(
      labels('each of the model’s'.replace('’', "'")),
    )
    const plain = await ScriptModule.load(fixture('colours.12.pt'))
    expect(classesOf(plain)).toBeNull()
    expect([...datasetFor(plain, await imageFolder(root, recipe), german).labels]).toEqual([1, 3])
  })

  it("are torchvision's, whose synsets are known, also a part of them", async () => {
    const { categories } = await reference('imagenet_categories')
    const model = await ScriptModule.load(await coloursModel(1000, categories))
    const files = { n02102040: 217, n01440764: 0, n03888257: 701 } // English springer, tench, parachute
    for (const [synset, output] of Object.entries(files)) expect(imageNetSynsets[output]).toBe(synset)
    const root = await folderWith(
      Object.fromEntries(Object.entries(files).map(([synset, output]) => [`${synset}/1.png`, output])),
    )
    const mapped = datasetFor(model, await imageFolder(root, recipe))
    expect([...mapped.labels]).toEqual([0, 217, 701])
    expect(mapped.classes[217]).toBe('English springer')
    expect((await evaluate(model, mapped)).top1).toBe(100)
    const all = labelled([...imageNetSynsets], [5, 999])
    expect([...withClasses(all, categories).labels]).toEqual([5, 999])
    const renamed = categories.with(0, 'Tinca tinca')
    expect(() => withClasses(all, renamed)).toThrow(labels('none of the 2 are'))
  })

  it('are as many as the outputs', async () => {
    const model = await named(animals.slice(1))
    const data = labelled(animals.slice(1), [0])
    const root = await folderWith({ 'bee/1.png': 0 })
    expect([...datasetFor(model, data).labels]).toEqual([0])
    const mapped = datasetFor(model, await imageFolder(root, recipe))
    await expect(evaluate(model, mapped)).rejects.toMatchObject({
      code: 'ERR_RECORD',
      message: expect.stringContaining('names 11 classes but it has 12 outputs'),
    })
  })
})

describe('a model that names no classes', () => {
  it('is evaluated with a warning if the dataset has another number of classes than outputs', async () => {
    const model = await named(null)
    const root = await folderWith({ 'bee/1.png': 1, 'dog/1.png': 3 })
    const data = await imageFolder(root, recipe)
    const { top1, warnings } = await evaluate(model, data)
    expect(top1).toBe(0)
    expect(warnings).toEqual([expect.stringContaining('has 2 classes (bee, dog) but')])
    expect(warned).toEqual([`SOS_CLASSES: ${warnings[0]}`])
    const bees = await evaluate(model, await imageFolder(await folderWith({ 'bee/1.png': 1 }), recipe))
    expect(bees.warnings).toEqual([expect.stringContaining('has one class (bee) but')])
    expect((await evaluate(model, datasetFor(model, data, animals))).warnings).toEqual([])
    writeFileSync(join(root, 'classes.txt'), animals.join('\n'))
    const listed = await evaluate(model, await imageFolder(root, recipe))
    expect([listed.top1, listed.warnings]).toEqual([100, []])
  })

  it('is refused if another number of outputs is listed', async () => {
    const model = await named(null)
    const data = await imageFolder(await folderWith({ 'bee/1.png': 1, 'dog/1.png': 3 }), recipe)
    for (const outputs of [['bee', 'dog'], [...animals, 'yak'], animals.slice(0, 11)]) {
      const mapped = datasetFor(model, data, outputs)
      const message = `all outputs of ${model.path}, 12, but ${outputs.length} were listed`
      await expect(evaluate(model, mapped)).rejects.toEqual(labels(message))
      await expect(evaluate(model, subset(mapped, [0]))).rejects.toEqual(labels(message))
    }
    expect((await evaluate(model, datasetFor(model, data, animals))).top1).toBe(100)
  })

  it('is warned of if folders are numbers that text sorts in another order', async () => {
    const model = await named(null)
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${i}/1.png`, i]))
    const root = await folderWith(files)
    const { classes, samples } = await reference('image_folder_listing', { folder: root })
    const data = await imageFolder(root, recipe)
    expect([data.classes, [...data.labels]]).toEqual([
      classes,
      samples.map(([, label]: [string, number]) => label),
    ])
    const { top1, warnings } = await evaluate(model, data)
    expect(top1).toBeCloseTo(200 / 12) // 0 and 1 stand where they should
    expect(warnings).toEqual([expect.stringContaining("'10' is output 2")])
    writeFileSync(
      join(root, 'classes.txt'),
      Object.keys(files)
        .map((file) => file.split('/')[0])
        .join('\r\n'),
    )
    const listed = await evaluate(model, await imageFolder(root, recipe))
    expect([listed.top1, listed.warnings]).toEqual([100, []])
  })

  it.each([
    ['class', '', "'class10' is output 2"],
    ['', '_animal', "'10_animal' is output 1"],
    ['n°', ' b', "'n°10 b' is output 2"],
  ])('is warned of if a number in the names is sorted as text: %s…%s', async (before, after, message) => {
    const model = await named(null)
    const folder = (i: number) => `${before}${i}${after}`
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${folder(i)}/1.png`, i]))
    const root = await folderWith(files)
    const { warnings } = await evaluate(model, await imageFolder(root, recipe))
    expect(warnings).toEqual([expect.stringContaining(message)])
    writeFileSync(join(root, 'classes.txt'), Array.from({ length: 12 }, (_, i) => folder(i)).join('\r'))
    const listed = await evaluate(model, await imageFolder(root, recipe))
    expect([listed.top1, listed.warnings]).toEqual([100, []])
  })

  it('is not warned of if the names have no order by number, or are in it', async () => {
    const model = await named(null)
    const names = [
      animals.map((name, i) => `${name}${11 - i}`),
      Array.from({ length: 12 }, (_, i) => `class${String(i).padStart(2, '0')}`),
      Array.from({ length: 12 }, (_, i) => `n${1440764 + 7 * i}`),
      animals.map((_, i) => String(11 - i)), // as classes.txt has them
    ]
    for (const classes of names) {
      const order = [...classes].sort()
      const data = await imageFolder(
        await folderWith({
          ...Object.fromEntries(order.map((name) => [`${name}/1.png`, classes.indexOf(name)])),
          'classes.txt': classes.join('\n'),
        }),
        recipe,
      )
      const { top1, warnings } = await evaluate(model, data)
      expect([classes, top1, warnings]).toEqual([classes, 100, []])
    }
  })

  it('is warned of if labels seem to begin at 1, and labels beyond its outputs are refused', async () => {
    const model = await named(null)
    const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i))
    const offset = {
      ...labelled(
        numbers(12),
        Array.from({ length: 11 }, (_, i) => i + 1),
      ),
    }
    const data = await imageFolder(await folderWith({ 'a/1.png': 1 }), recipe)
    const at = (dataset: Dataset) => ({
      ...dataset,
      load: (indices: readonly number[]) => data.load(indices.map(() => 0)),
    })
    const images = (indices: readonly number[]) =>
      data.load(indices.map(() => 0)).then((batch) => ({ ...batch, indices }))
    const { warnings } = await evaluate(model, { ...at(offset), load: images })
    expect(warnings).toEqual([expect.stringContaining('do its labels begin at 1?')])
    const beyond = labelled(
      numbers(13),
      Array.from({ length: 12 }, (_, i) => i + 1),
    )
    await expect(evaluate(model, { ...beyond, load: images })).rejects.toEqual(
      labels('do its labels begin at 1?'),
    )
    await expect(evaluate(model, { ...labelled(['a'], [0, 1]), load: images })).rejects.toEqual(
      labels('expected labels from 0 to 0'),
    )
    await expect(evaluate(model, { ...labelled(['a'], [-1]), load: images })).rejects.toEqual(labels('-1'))
  })
})
