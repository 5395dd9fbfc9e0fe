/** Settings of a training that have a name. */
export interface TrainingPreset {
  /** Where the numbers come from, for the help text. */
  readonly about: string
  /** The settings, as in a configuration. */
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

/** The presets that a configuration can name, by their names. */
export const trainingPresets: Readonly<Record<string, TrainingPreset>> = {
  paper: {
    about:
      'the settings of Zhou et al. for CIFAR: batch size 64, 300 epochs, learning rate 0.1 divided by 10 at half and three quarters, Nesterov momentum 0.9, weight decay 1e-4, flips; b = 300 is the best in their Table 4',
    settings: paper,
  },
  'paper-mixup': {
    about: 'the preset paper with Mixup (α = 1, Zhang et al.), the second augmentation of Zhou et al.',
    settings: { ...paper, augment: { flip: true, mixup: 1 } },
  },
  'crop-flip': {
    about:
      'the preset paper with random crops of the image padded by 4 pixels (He et al. 2016): with flips alone the accuracies of the paper are rarely reached',
    settings: { ...paper, augment: { flip: true, crop: 4 } },
  },
  'cpu-small': {
    about:
      'for wide_small on a CPU: 15 epochs, one cycle up to a learning rate of 0.2 (Smith and Topin 2019), weight decay 5e-4, crops and flips, probes after each epoch',
    settings: {
      ...paper,
      epochs: 15,
      optimizer: { name: 'sgd', learningRate: 0.2, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      schedule: { name: 'oneCycle' },
      augment: { flip: true, crop: 4 },
      probes: { samples: 512 },
    },
  },
}

export const presetNames = Object.keys(trainingPresets)
