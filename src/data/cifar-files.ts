/** The official binary files of CIFAR-10 or CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html). */
export interface CifarLayout {
  /** The name of the dataset, for messages. */
  readonly title: string
  /** The file names of each split, in order. */
  readonly files: Readonly<Record<'train' | 'test', readonly string[]>>
  /** The number of records in one file of each split. */
  readonly records: Readonly<Record<'train' | 'test', number>>
  /** The labels at the head of a record, one byte each: their kind, the number of classes, the file with the names. */
  readonly labels: readonly { readonly kind: CifarLabels; readonly classes: number; readonly names: string }[]
  /** The MD5 of each complete file, by its name. */
  readonly md5: Readonly<Record<string, string>>
}

/** CIFAR-100 has 100 fine classes, grouped into 20 coarse ones. The classes of CIFAR-10 count as fine. */
export type CifarLabels = 'fine' | 'coarse'

/** The number of bytes of one image: 32×32 red values, row by row, then the green and the blue values. */
export const imageBytes = 3 * 32 * 32

export const cifar10Layout: CifarLayout = {
  title: 'CIFAR-10',
  files: { train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), test: ['test_batch.bin'] },
  records: { train: 10_000, test: 10_000 },
  labels: [{ kind: 'fine', classes: 10, names: 'batches.meta.txt' }],
  md5: {
    'data_batch_1.bin': '5dd7e06a14cb22eb9f671a540d1b7c25',
    'data_batch_2.bin': '5ea93a67294ea407fff1d09f752e9692',
    'data_batch_3.bin': '942cd6a4bcdd0dd3c604fbe906cb4421',
    'data_batch_4.bin': 'ae636b3ba5c66a11e91e8cb52e771fcb',
    'data_batch_5.bin': '53f37980c15c3d472c316c40844f3f0d',
    'test_batch.bin': '803d5f7f4d78ea53de84dbe85f74fb6d',
  },
}

export const cifar100Layout: CifarLayout = {
  title: 'CIFAR-100',
  files: { train: ['train.bin'], test: ['test.bin'] },
  records: { train: 50_000, test: 10_000 },
  labels: [
    { kind: 'coarse', classes: 20, names: 'coarse_label_names.txt' },
    { kind: 'fine', classes: 100, names: 'fine_label_names.txt' },
  ],
  md5: {
    'train.bin': '6172c7755cfe09b2fe270c85cebc1b15',
    'test.bin': '4499cfba6c016c1be1438163640a0898',
  },
}
