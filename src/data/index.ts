/**
 * Labelled images: datasets of folders and files, torchvision's preprocessing, and which samples are drawn.
 *
 * @module data
 */

export { type Augmentation, randomCrop, randomFlip } from './augmentation.js'
export { type Batch, batches, type ImagePlacement } from './batches.js'
export { type Cifar100Options, type CifarOptions, cifar10, cifar100 } from './cifar.js'
export type { CifarLabels } from './cifar-files.js'
export { classNames } from './class-names.js'
export type { Dataset, LoadedImages, Pixels, Progress, RunOptions, SkippedImage } from './dataset.js'
export type { Decoder } from './decoder.js'
export { Draws } from './draws.js'
export { idxFolder } from './idx.js'
export type { ImageOptions } from './image-files.js'
export { imageFolder } from './image-folder.js'
export { type ImageNetOptions, imageNet } from './imagenet.js'
export { imageNetSynsets } from './imagenet-synsets.js'
export { openDataset } from './open-dataset.js'
export { type Preprocess, preprocess } from './preprocess.js'
export { presets } from './presets.js'
export { classesCovered, type SampleOptions, type Sampling, sampleIndices } from './sampling.js'
export { subset } from './subset.js'
