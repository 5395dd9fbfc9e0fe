import { z } from 'zod'
import { outputKinds } from '../../model/index.js'
import { parseRankPolicy } from '../../shift/index.js'

/** The schemes of a training: SGD (or the optimizer that the configuration names), or SAM around it; each without or with SOS. */
export const trainingSchemes = ['sgd', 'sgd+sos', 'sam', 'sam+sos'] as const

/** A scheme of a training, such as `sgd+sos`. */
export type Scheme = (typeof trainingSchemes)[number]

const positive = z.number().positive()
const whole = z.int().nonnegative()
const every = z.int().positive()

const momentumOptimizer = z.strictObject({
  name: z.literal('sgd'),
  learningRate: positive,
  momentum: z.number().min(0).optional(),
  dampening: z.number().optional(),
  nesterov: z.boolean().optional(),
  weightDecay: z.number().min(0).optional(),
})
const adaptiveOptimizer = z.strictObject({
  name: z.enum(['adam', 'adamW']),
  learningRate: positive.optional(),
  betas: z.tuple([z.number(), z.number()]).optional(),
  epsilon: positive.optional(),
  weightDecay: z.number().min(0).optional(),
  amsgrad: z.boolean().optional(),
})

const schedule = z.strictObject({
  name: z.enum(['constant', 'multiStep', 'cosine', 'oneCycle']),
  /** For multiStep: epochs, or fractions of the run below 1. */
  milestones: z.array(positive).optional(),
  gamma: positive.optional(),
  /** For cosine: the last factor. */
  minimum: z.number().min(0).optional(),
  /** The number of epochs at the beginning in which the learning rate rises. */
  warmUp: z.number().min(0).optional(),
})

/** The configuration that `sos train` reads. Each default is that of the library's function of the same name. */
export const schema = z.strictObject({
  /** The path of a trainable TorchScript file; `{seed}` in it stands for the seed of the run. */
  model: z.string(),
  /** Datasets in the form KIND:PATH[:SPLIT], for example cifar10:FOLDER:train. */
  train: z.string(),
  test: z.string().optional(),
  device: z.string().default('cpu'),
  seed: whole.default(0),
  epochs: every,
  batchSize: every,
  optimizer: z.discriminatedUnion('name', [momentumOptimizer, adaptiveOptimizer]),
  schedule: schedule.optional(),
  clipNorm: positive.optional(),
  sam: z
    .strictObject({
      rho: positive.optional(),
      adaptive: z.boolean().optional(),
      eta: z.number().min(0).optional(),
    })
    .default({}),
  sos: z
    .strictObject({
      batchSize: every.optional(),
      sampling: z.enum(['stratified', 'uniform']).optional(),
      everyEpochs: every.optional(),
      startEpoch: whole.optional(),
      momentum: z.enum(['keep', 'project', 'zero']).optional(),
      rank: z.string().transform(parseRankPolicy).optional(),
      bias: z.enum(['fixed', 'absorb', 'augment']).optional(),
      layer: z.string().optional(),
      heldOut: whole.optional(),
      /** The number of images in one forward. */
      chunk: every.optional(),
    })
    .default({}),
  augment: z
    .strictObject({
      flip: z.boolean().optional(),
      /** The width in pixels of the black border around the image from which windows are cut. */
      crop: every.optional(),
      /** α of Mixup. */
      mixup: positive.optional(),
    })
    .default({}),
  autocast: z.enum(['bfloat16', 'float16']).optional(),
  outputs: z.enum(outputKinds).optional(),
  /** Which item of the model's output has the logits. */
  output: z.union([whole, z.string()]).optional(),
  channelsLast: z.boolean().default(true),
  deterministic: z.boolean().default(true),
  dropLast: z.boolean().default(false),
  evaluate: z
    .strictObject({ everyEpochs: every.optional(), limit: every.optional(), chunk: every.optional() })
    .default({}),
  probes: z
    .strictObject({
      everyEpochs: every.optional(),
      samples: every.optional(),
      probes: z.union([z.int().min(0), z.literal('exact')]).optional(),
      collapse: z.boolean().optional(),
      chunk: every.optional(),
    })
    .nullable()
    .default(null),
  checkpoints: z.strictObject({ everyEpochs: every.optional(), keep: every.optional() }).default({}),
})

/** A configuration with all its defaults, as `parseConfig` returns it. */
export type TrainingConfig = z.output<typeof schema>

/** The section `schedule` of {@link TrainingConfig}. */
export type ScheduleConfig = NonNullable<TrainingConfig['schedule']>
