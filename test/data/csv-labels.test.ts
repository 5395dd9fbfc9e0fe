import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evaluate, imageFolder, imageNet, ScriptModule } from '../../src/index.js'

import { animals, coloursModel, folderWith, recipe } from '../support/colours.js'

// An image of colour k is right where its label is k.

const model = async () => ScriptModule.load(await coloursModel(12, null))

/** A validation split whose image `i.png` has the colour i, labelled by a CSV file. */
async function labelled(csv: string, files: Record<string, number | string> = all()) {
  const root = await folderWith({
    ...Object.fromEntries(Object.entries(files).map(([name, content]) => [`val/${name}`, content])),
    'val.csv': csv,
  })
  return imageNet(root, 'val', recipe)
}

const all = () => Object.fromEntries(animals.map((_, i) => [`x${i}.png`, i]))
const rows = (line: (i: number) => string) => animals.map((_, i) => line(i)).join('\n')
const dataset = (message: string) =>
  expect.objectContaining({ code: 'ERR_DATASET', message: expect.stringContaining(message) })

describe('labels of a CSV file', () => {
  it.each([
    ['without a header', rows((i) => `x${i}.png,${i}`)],
    ['with one of other words', `img,cls\n${rows((i) => `x${i}.png,${i}`)}`],
    ['with the names of pandas', `id,label\n${rows((i) => `x${i},${i}.0`)}`],
    ['with zeros before', `file,label\n${rows((i) => `x${i}.png,${String(i).padStart(3, '0')}`)}`],
    ['with line ends of old Macs', rows((i) => `x${i}.png,${i}`).replaceAll('\n', '\r')],
    ['with folders of Windows', rows((i) => `val\\x${i}.png;${i}`)],
    ['with another ending', rows((i) => `x${i}.JPEG,${i}`)],
    ['with more columns, named', `file,label,split\n${rows((i) => `x${i}.png,${i},val`)}`],
    ['with boxes, quoted', `"ImageId","PredictionString"\n${rows((i) => `"x${i}","c${10 + i} ${i} 1 2 3"`)}`],
    ['with names', `which,animal\n${rows((i) => `x${i}.png,${animals[i]}`)}`],
  ])('%s', async (_, csv) => {
    const { top1, warnings } = await evaluate(await model(), await labelled(csv))
    expect([top1, warnings]).toEqual([100, []])
  })

  it('are of whole names, dots and all, and of one spelling of Unicode', async () => {
    const files = { 'a.b.png': 0, 'a.c.png': 1, 'same.png': 2, 'same.jpg': 3, 'cafe\u0301.png': 4 }
    const csv = 'a.b,0\na.c,1\nsame.png,2\nsame.jpg,3\ncaf\u00e9,4'
    const data = await labelled(csv, files)
    const { top1 } = await evaluate(await model(), data)
    expect([top1, data.size]).toEqual([100, 5])
  })

  it.each([
    ['x0.png,0\nx1.png,bee', { 'x0.png': 0, 'x1.png': 1 }, "'0' is a number and 'bee' is a name"],
    ['x0.png,0\nx1.png,-1', { 'x0.png': 0, 'x1.png': 1 }, 'a label is -1'],
    ['x0.png,0\nx1.png,1.5', { 'x0.png': 0, 'x1.png': 1 }, 'a label is 1.5'],
    ['x0.png,500,0\nx1.png,500,1', { 'x0.png': 0, 'x1.png': 1 }, 'it has 3 columns'],
    ['file,width,label\nx0.png,5,0', { 'x0.png': 0 }, 'it has 3 columns'],
    ['x,0', { 'x.png': 0, 'x.jpg': 1 }, 'there is none for x.'],
    ['x,0\nx.png,1', { 'x.png': 0 }, 'occurs twice'],
    ['x.png,1\nx,0', { 'x.png': 0 }, 'occurs twice'],
    ['a/x.png,1\nb/x.png,0', { 'x.png': 0 }, 'occurs twice'],
    ['x.jpeg,1\nx.webp,0', { 'x.png': 0 }, 'there is none for x.png'],
  ])('%j are refused', async (csv, files, message) => {
    await expect(labelled(csv, files)).rejects.toEqual(dataset(message))
  })

  it('may be numbers and names if classes.txt lists them', async () => {
    const root = await folderWith({
      'val/x0.png': 0,
      'val/x1.png': 1,
      'val.csv': 'x0.png,0\nx1.png,bee',
      'classes.txt': animals.join('\n'),
    })
    const { top1 } = await evaluate(await model(), await imageNet(root, 'val', recipe))
    expect(top1).toBe(100)
  })
})

it("Tiny-ImageNet's annotations are of one spelling of Unicode", async () => {
  const root = await folderWith({
    'wnids.txt': animals.join('\n'),
    'val/images/cafe\u0301.png': 3,
    'val/val_annotations.txt': 'caf\u00e9.png\tdog\t0\t0\t1\t1',
  })
  const data = await imageFolder(join(root, 'val'), recipe)
  expect([...data.labels]).toEqual([3])
})
