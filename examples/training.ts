import {
  evaluateDuringTraining,
  idxFolder,
  multiStep,
  preprocessOf,
  randomCrop,
  randomFlip,
  ScriptModule,
  sampleIndices,
  sgd,
  sosDuringTraining,
  subset,
  Trainer,
} from 'optimum-shifting'

const model = await ScriptModule.load('assets/fashion-resnet.pt')
const whole = await idxFolder('assets/fashion-mnist', 'train', preprocessOf(model))
const train = subset(whole, sampleIndices(whole, { size: 256, sampling: 'stratified', seed: 0 }))
const test = await idxFolder('assets/fashion-mnist', 'test', preprocessOf(model))

const trainer = new Trainer(model, {
  data: train,
  epochs: 2,
  batchSize: 64,
  optimizer: sgd({ learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 1e-4 }), // or sam(sgd(…))
  schedule: multiStep([0.5, 0.75]),
  augment: [randomCrop(2), randomFlip()],
})
trainer.use(sosDuringTraining({ batchSize: 50 }), evaluateDuringTraining(test, { limit: 200 }))
trainer.on('shift', ({ epoch, shift }) => console.log(epoch, shift.rank, shift.normBefore, shift.normAfter))
trainer.on('evaluation', ({ epoch, evaluation }) => console.log(epoch, evaluation.top1))
trainer.on('epochEnd', ({ epoch, loss, accuracy }) => {
  console.log(epoch, loss, accuracy)
  if (accuracy > 99.9) trainer.stop()
})
await trainer.run()
