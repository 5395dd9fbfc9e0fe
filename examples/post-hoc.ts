import {
  comparePerSampleTraces,
  evaluate,
  idxFolder,
  preprocessOf,
  ScriptModule,
  saveShifted,
  shiftOptimum,
} from 'optimum-shifting'

const original = await ScriptModule.load('assets/fashion-resnet.pt')
const model = await ScriptModule.load('assets/fashion-resnet.pt')
const preprocess = preprocessOf(model) // from the checkpoint's sos.json; a plain file needs a preset, such as 'resnet50'
const train = await idxFolder('assets/fashion-mnist', 'train', preprocess) // or imageFolder('imagenet/train', preprocess)
const test = await idxFolder('assets/fashion-mnist', 'test', preprocess)

const shift = await shiftOptimum(model, train, { batchSize: 50, sampling: 'stratified', seed: 0 })
console.log(shift.rank, shift.normBefore, shift.normAfter, shift.batchLogitChange)
console.log((await evaluate(original, test)).top1, (await evaluate(model, test)).top1)
const { difference } = await comparePerSampleTraces(original, model, train, { samples: 128 })
console.log(difference.value, difference.standardError) // of tr(H), paired over the images
await saveShifted(model, 'out/shifted.pt', shift, { dataset: train.name, preprocess }) // torch.jit.load reads it
