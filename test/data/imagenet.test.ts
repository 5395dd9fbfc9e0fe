import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { imageNet, openDataset, presets } from '../../src/index.js'

import { array, element, matFile, mi, structArray } from '../support/mat-file.js'
import { root as checkout, temporaryFolder } from '../support/paths.js'

const recipe = presets.resnet50!
const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
  .jpeg()
  .toBuffer()
const groundTruth = 'ILSVRC2012_validation_ground_truth.txt'
const flat = {
  'val/ILSVRC2012_val_00000003.JPEG': image,
  'val/ILSVRC2012_val_00000001.JPEG': image,
  'val/ILSVRC2012_val_00000002.JPEG': image,
}
const sorted = ['n01440764', 'n01443537', 'n02100735', 'n02119789']

function folderWith(files: Record<string, string | Buffer>): string {
  const root = temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return root
}

describe('imageNet', () => {
  it.each(['train', 'val'] as const)('reads the folders of synsets of %s', async (split) => {
    const root = folderWith({ [`${split}/n02/b.JPEG`]: image, [`${split}/n01/a.JPEG`]: image })
    const dataset = await openDataset(`imagenet:${root}:${split}`, recipe)
    expect([dataset.classes, [...dataset.labels]]).toEqual([
      ['n01', 'n02'],
      [0, 1],
    ])
    expect((await dataset.load([1])).images.shape).toEqual([1, 3, 224, 224])
  })

  it("translates the devkit's ids by meta.mat, or by a text", async () => {
    const root = folderWith({ ...flat, [`ILSVRC2012_devkit_t12/data/${groundTruth}`]: '2\n1\n4\n' })
    const devkit = join(root, 'ILSVRC2012_devkit_t12/data')
    cpSync(`${checkout}/test/fixtures/meta.mat`, join(devkit, 'meta.mat'))
    for (let round = 0; round < 2; round++) {
      const dataset = await imageNet(root, 'val', recipe)
      expect([dataset.classes, [...dataset.labels]]).toEqual([sorted, [0, 3, 1]])
      rmSync(join(devkit, 'meta.mat'), { force: true })
      writeFileSync(join(devkit, 'synsets.txt'), 'n02119789 kit fox\nn01440764\nn02100735\nn01443537\n')
    }
    writeFileSync(join(root, 'classes.txt'), [...sorted, 'n99'].reverse().join('\n'))
    expect([...(await imageNet(root, 'val', recipe)).labels]).toEqual([4, 1, 3])
  })

  it('refuses a meta.mat in which no synset is without children', async () => {
    const root = folderWith({ ...flat, [`ILSVRC2012_devkit_t12/data/${groundTruth}`]: '2\n1\n4\n' })
    const number = (value: number) => array(element(mi.UINT8, Buffer.from([value])))
    const name = array(element(mi.UINT8, Buffer.from('n02083346')), 'text', 9)
    const fields = ['ILSVRC2012_ID', 'WNID', 'num_children']
    const meta = matFile(structArray('synsets', fields, [[number(1), name, number(2)]]))
    writeFileSync(join(root, 'ILSVRC2012_devkit_t12/data/meta.mat'), meta)
    await expect(imageNet(root, 'val', recipe)).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringContaining('expected synsets with ILSVRC2012_ID, WNID and num_children'),
    })
  })

  it("reads Kaggle's layout", async () => {
    const root = folderWith({
      ...Object.fromEntries(
        Object.entries(flat).map(([path, bytes]) => [`ILSVRC/Data/CLS-LOC/${path}`, bytes]),
      ),
      'LOC_val_solution.csv':
        'ImageId,PredictionString\nILSVRC2012_val_00000002,n02119789 85 1 499 272 n02119789 1 2 3 4 \nILSVRC2012_val_00000001,n01440764 1 2 3 4 \nILSVRC2012_val_00000003,n01443537 1 2 3 4 \n',
      'LOC_synset_mapping.txt':
        'n01440764 tench, Tinca tinca\nn01443537 goldfish\nn02100735 English setter\nn02119789 kit fox\n',
    })
    const dataset = await imageNet(root, 'val', recipe)
    expect([dataset.classes, [...dataset.labels]]).toEqual([sorted, [0, 3, 1]])
  })

  it('goes by the labels that it is given, also if folders of classes lie beside the images', async () => {
    const csv = 'ILSVRC2012_val_00000001,n02\nILSVRC2012_val_00000002,n01\nILSVRC2012_val_00000003,n02\n'
    const root = folderWith({ ...flat, 'val/n03/4.JPEG': image, 'mine.csv': csv })
    const dataset = await imageNet(root, 'val', recipe, { labels: join(root, 'mine.csv') })
    expect([dataset.classes, [...dataset.labels]]).toEqual([
      ['n01', 'n02'],
      [1, 0, 1],
    ])
    await expect(imageNet(root, 'val', recipe)).rejects.toThrow('but there are both')
  })

  it("takes the classes of the split's classes.txt before the root's, and these before Kaggle's", async () => {
    const root = folderWith({
      'val/n02/b.JPEG': image,
      'val/n01/a.JPEG': image,
      'LOC_synset_mapping.txt': 'n03 three, 3\nn01 one\nn02 two\n',
    })
    const opened = async () => {
      const { classes, labels } = await imageNet(root, 'val', recipe)
      return [classes, [...labels].map((label) => classes[label])]
    }
    expect(await opened()).toEqual([
      ['n03', 'n01', 'n02'],
      ['n01', 'n02'],
    ])
    writeFileSync(join(root, 'classes.txt'), 'n02\nn01\n')
    expect(await opened()).toEqual([
      ['n02', 'n01'],
      ['n01', 'n02'],
    ])
    writeFileSync(join(root, 'val/classes.txt'), 'n04\nn02\nn01\n')
    expect(await opened()).toEqual([
      ['n04', 'n02', 'n01'],
      ['n01', 'n02'],
    ])
  })

  it('reads a CSV of names or of indices', async () => {
    const csv = (first: string, second: string, third: string) =>
      `file,label\r\nILSVRC2012_val_00000001.JPEG,${first}\r\n"ILSVRC2012_val_00000002.JPEG","${second}"\r\nILSVRC2012_val_00000003.JPEG,${third}\r\n`
    const root = folderWith({ ...flat, 'val.csv': csv('kit fox', 'n01', 'kit fox') })
    const dataset = await imageNet(root, 'val', recipe)
    expect([dataset.classes, [...dataset.labels]]).toEqual([
      ['kit fox', 'n01'],
      [0, 1, 0],
    ])
    writeFileSync(join(root, 'mine.csv'), csv('2', '0', '1'))
    const options = { labels: join(root, 'mine.csv') }
    writeFileSync(join(root, 'classes.txt'), 'n01\nn02\nn03\n')
    expect([...(await imageNet(root, 'val', recipe, options)).labels]).toEqual([2, 0, 1])
    writeFileSync(join(root, 'classes.txt'), 'n01\nn02\n')
    await expect(imageNet(root, 'val', recipe, options)).rejects.toThrow("is '2' but none of the 2 classes")
  })

  it('reads a part of the validation images, whose names carry their numbers', async () => {
    const part = { 'val/ILSVRC2012_val_00000003.JPEG': image, 'val/ILSVRC2012_val_00000002.JPEG': image }
    const devkit = 'ILSVRC2012_devkit_t12/data'
    const root = folderWith({
      ...part,
      'val/._ILSVRC2012_val_00000002.JPEG': 'AppleDouble',
      'val/@eaDir/ILSVRC2012_val_00000002.JPEG/thumbnail.jpg': image,
      'val/.ipynb_checkpoints/x.txt': '',
      'val/empty/x.txt': '',
      [`${devkit}/${groundTruth}`]: '2\n1\n4\n3\n',
      [`${devkit}/synsets.txt`]: 'n02119789 kit fox\nn01440764\nn02100735\nn01443537\n',
    })
    const dataset = await imageNet(root, 'val', recipe)
    expect([dataset.classes, [...dataset.labels]]).toEqual([sorted, [3, 1]])
    const csv = 'ImageId,PredictionString\n'
    const lines = ['2,n02119789 1 2 3 4 ', '3,n01443537 1 2 3 4', '1,n01440764 1', '4,n02100735 1']
    const kaggle = folderWith({
      ...part,
      'LOC_val_solution.csv': `${csv}${lines.map((line) => `ILSVRC2012_val_0000000${line}`).join('\n')}\n`,
    })
    const other = await imageNet(kaggle, 'val', recipe)
    expect([other.classes, [...other.labels]]).toEqual([sorted, [3, 1]])
    mkdirSync(join(root, 'val/n01440764'))
    writeFileSync(join(root, 'val/n01440764/1.JPEG'), image)
    await expect(imageNet(root, 'val', recipe)).rejects.toThrow('but there are both')
  })

  it('takes numbers in a CSV for places, also from ten classes on', async () => {
    const files = Object.fromEntries([0, 2, 10, 11].map((k) => [`val/${k}.JPEG`, image]))
    const root = folderWith({ ...files, 'val.csv': [0, 2, 10, 11].map((k) => `${k}.JPEG,${k}`).join('\n') })
    const dataset = await imageNet(root, 'val', recipe)
    const label = (file: number) => ['0', '10', '11', '2'].indexOf(String(file))
    expect([0, 2, 10, 11].map((k) => dataset.labels[label(k)])).toEqual([0, 2, 10, 11])
    expect(dataset.classes.length).toBe(12)
    writeFileSync(join(root, 'val.csv'), `${[0, 2, 10].map((k) => `${k}.JPEG,${k}`).join('\n')}\n11,1e9\n`)
    await expect(imageNet(root, 'val', recipe)).rejects.toThrow('expected the index of a class')
    writeFileSync(
      join(root, 'val.csv'),
      `${[0, 2, 10].map((k) => `${k}.JPEG,${k}`).join('\n')}\n11,999999999\n`,
    )
    await expect(imageNet(root, 'val', recipe)).rejects.toThrow('expected the index of a class')
  })

  it.each(['imagenet:ROOT:val', 'imagefolder:ROOT/val', 'imagefolder:ROOT/val/images'])(
    "labels Tiny-ImageNet's %s by its annotations, and says so",
    async (spec) => {
      const root = folderWith({
        'val/images/val_0.JPEG': image,
        'val/images/val_10.JPEG': image,
        'val/images/val_2.JPEG': image,
        'val/images/._val_2.JPEG': 'AppleDouble',
        'val/val_annotations.txt':
          'val_0.JPEG\tn02119789\t0\t32\t44\t62\r\nval_2.JPEG\tn01443537\t0\t0\t1\t1\r\nval_10.JPEG\tn02119789\t1\t1\t2\t2\r\nval_99.JPEG\tn01440764\t1\t1\t2\t2\r\n',
      })
      const open = () => openDataset(spec.replace('ROOT', root), recipe)
      const dataset = await open()
      expect(dataset.name).toBe(`${spec.replace('ROOT', root)} (labels of val_annotations.txt)`)
      expect([dataset.classes, [...dataset.labels]]).toEqual([
        ['n01440764', 'n01443537', 'n02119789'],
        [2, 2, 1], // val_0, val_10, val_2
      ])
      writeFileSync(join(root, 'wnids.txt'), 'n02119789\nn01443537\nn01440764\nn02100735\n')
      expect([(await open()).classes, [...(await open()).labels]]).toEqual([sorted, [3, 3, 1]])
      writeFileSync(join(root, 'val/images/val_7.JPEG'), image)
      await expect(open()).rejects.toThrow('there is none for val_7.JPEG')
      writeFileSync(join(root, 'val/val_annotations.txt'), 'val_0.JPEG n02119789\n')
      await expect(open()).rejects.toThrow('line 1: expected a file and its synset')
    },
  )

  it('refuses labels that do not fit the images, and says where it looked', async () => {
    const one = 'ILSVRC2012_val_00000001'
    const cases: [Record<string, string | Buffer>, string][] = [
      [{ 'test/1.JPEG': image }, 'expected a folder with the split val'],
      [flat, 'there is none of LOC_val_solution.csv'],
      [
        { ...flat, [groundTruth]: '1\n2\n', 'synsets.txt': 'a\nb\n' },
        'there is none for ILSVRC2012_val_00000003',
      ],
      [{ 'val/a.JPEG': image, [groundTruth]: '1\n2\n', 'synsets.txt': 'a\nb\n' }, '2 labels and 1 images'],
      [{ ...flat, [groundTruth]: '1\n\n2\n', 'synsets.txt': 'a\nb\n' }, 'line 2: expected an id from 1 to 2'],
      [{ ...flat, [groundTruth]: '1\n1\n1\n', 'synsets.txt': 'a\na\n' }, 'a different synset in each line'],
      [
        { ...flat, [groundTruth]: '1\n2\n9\n', 'synsets.txt': 'a\nb\n' },
        'line 3: expected an id from 1 to 2',
      ],
      [{ ...flat, [groundTruth]: '1\n2\n1\n' }, 'synsets.txt'],
      [{ ...flat, [groundTruth]: '1\n2\n1\n', 'meta.mat': 'x' }, 'expected a MATLAB 5 file'],
      [{ ...flat, 'val.csv': `${one},n01\n` }, 'there is none for ILSVRC2012_val_00000002.JPEG'],
      [{ ...flat, 'val.csv': `${one},n01\n${one}.JPEG,n01\n` }, 'occurs twice'],
      [{ ...flat, 'val.csv': 'one column\n' }, 'line 1: expected FILE,LABEL'],
      [{ 'val/n01/1.JPEG': image, 'classes.txt': 'n02\n' }, 'n01 is not among the 1 classes'],
    ]
    for (const [files, message] of cases) {
      const opened = imageNet(folderWith(files), 'val', recipe)
      await expect(opened).rejects.toThrow(message)
      await expect(opened).rejects.toMatchObject({ code: 'ERR_DATASET' })
    }
  })
})
