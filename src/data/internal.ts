// What other folders of the package use from this folder in addition to its front door, index.ts. It is not part of the package's interface.

export { toPlacement } from './batches.js'
export { areNumbers, firstNames, outputsOfClasses, usedClasses } from './class-outputs.js'
export { checkIndices, evenIndices, expectDataset } from './dataset.js'
export { fetchCifar10 } from './fetch/cifar10.js'
export { fingerprint, labelsSha256 } from './fingerprint.js'
export { byCodePoint } from './listing.js'
export { loadPixels, loadSamples } from './load-samples.js'
export { checkedPreprocess, preprocessSchema } from './preprocess-schema.js'
export { readAhead } from './read-ahead.js'
