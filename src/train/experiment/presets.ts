/** Settings of a training run under a name. */
export interface TrainingPreset {
  /** For help: where the numbers come from. */
  readonly about: string
  readonly settings: Readonly<Record<string, unknown>>
}

const paper = {
  epochs: 300,
  batchSize: 64,
  optimizer: { name: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-4 },
  schedule: { name: 'multiStep', milestones: [0.5, 0.75], gamma: 0.1 },
  sos: { batchSize: 300 },
  augment: { flip: true },
}

export const trainingPresets: Readonly<Record<string, TrainingPreset>> = {
  paper: {
    about:
      'Zhou et al. for CIFAR: batch 64, 300 epochs, learning rate 0.1 divided by 10 at half and three quarters, Nesterov 0.9, weight decay 1e-4, flips; b = 300 is their best of Table 4',
    settings: paper,
  },
  'paper-mixup': {
    about: 'paper with Mixup (α = 1, Zhang et al.), their second augmentation',
    settings: { ...paper, augment: { flip: true, mixup: 1 } },
  },
  'crop-flip': {
    about:
      'paper with windows of the image padded by 4 pixels (He et al. 2016): by flips alone their accuracies are hardly to be had',
    settings: { ...paper, augment: { flip: true, crop: 4 } },
  },
  'cpu-small': {
    about:
      'for wide_small on the cores of a CPU: 15 epochs, one cycle up to 0.2 (Smith and Topin 2019), weight decay 5e-4, crops and flips, probes each epoch',
    settings: {
      ...paper,
      epochs: 15,
      optimizer: { name: 'sgd', learningRate: 0.2, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      schedule: { name: 'oneCycle' },
      augment: { flip: true, crop: 4 },
      probes: { samples: 512, probes: 16 },
    },
  },
}

export const presetNames = Object.keys(trainingPresets)
