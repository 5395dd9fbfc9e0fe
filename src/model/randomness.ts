import { type ScriptModule, scope, type Tensor, torch, type Value } from '../torch/index.js'
import { epsilon, isFloating } from '../torch/internal.js'
import { inputDtype } from './input-dtype.js'
import { tensorsIn } from './model-output.js'

/** The number of images on which two forwards are compared. */
const probes = 4

/** How many roundings of the largest output two forwards may differ by, since some GPU kernels add in no fixed order. */
const roundings = 100

/**
 * Looks once whether a model is random in eval mode: if an operator of it may draw random numbers, it runs the model twice on
 * some images, without the model's hooks, and compares the outputs. A random model is reported by the process warning `SOS_RANDOM`.
 *
 * @param model a module; the answer is remembered for it and for its views
 * @param images a batch for the model, [N, …], of which the first four are used
 * @returns the warning, or null if the two outputs agree, or if the model cannot run on these images (the caller's own forward then
 *   says why)
 */
export async function warnIfRandom(model: ScriptModule, images: Tensor): Promise<string | null> {
  const { notes } = model
  if (notes.random !== undefined) return notes.random
  notes.random = null
  let difference: number | null
  try {
    difference = await differenceOfTwo(model, images)
  } catch {
    // The caller's own forward fails too, and says why. The next images are looked at again.
    delete notes.random
    return null
  }
  if (difference === null) return null
  notes.random = `${model.path} is random in eval mode: two forwards of the same images gave outputs that differ by ${difference.toPrecision(2)}. Dropout that is always on (F.dropout with training=True) and noise in the forward do this. Each figure about this model holds for one random draw only`
  process.emitWarning(notes.random, { code: 'SOS_RANDOM' })
  return notes.random
}

/** What {@link warnIfRandom} found out about a model; null if it found nothing, or has not looked. */
export function randomness(model: ScriptModule): string | null {
  return model.notes.random ?? null
}

/** The ATen operators that PyTorch tags as drawing from its generator (`torch.Tag.nondeterministic_seeded`), without a final underscore. */
const randomOperators = new Set(
  `dropout native_dropout feature_dropout alpha_dropout feature_alpha_dropout rrelu rrelu_with_noise
  scaled_dot_product_attention lstm gru rnn_relu rnn_tanh
  rand rand_like randn randn_like randint randint_like randperm random uniform normal log_normal bernoulli binomial cauchy
  exponential geometric multinomial poisson`.split(/\s+/),
)

/** Whether an operator of the model may draw random numbers. Operators of other libraries may. */
function mayDraw(model: ScriptModule): boolean {
  return model.operatorCalls().some(({ operator }) => {
    const [namespace, name] = operator.split('::')
    return (namespace !== 'aten' && namespace !== 'prim') || randomOperators.has(name!.replace(/_$/, ''))
  })
}

/** The largest difference between the outputs of two forwards; null if it is within rounding. */
async function differenceOfTwo(model: ScriptModule, images: Tensor): Promise<number | null> {
  using view = model.viewWithoutHooks()
  if (!mayDraw(view)) return null
  return await torch.noGrad(() =>
    scope(async () => {
      const some = images.narrow(0, 0, Math.min(probes, images.shape[0]!))
      const dtype = inputDtype(model)
      const input = dtype === null || !isFloating(some.dtype) ? some : some.to(dtype)
      const first = tensorsIn(await view.forward<Value>(input))
      const second = tensorsIn(await view.forward<Value>(input))
      const differences = first.map((tensor, i) => differenceOf(tensor, second[i]))
      const largest = Math.max(0, ...differences)
      return largest > 0 ? largest : null
    }),
  )
}

/** 0 if they are equal but for rounding. NaN counts as equal to NaN. */
function differenceOf(first: Tensor, second: Tensor | undefined): number {
  if (second === undefined || String(first.shape) !== String(second.shape)) return Number.POSITIVE_INFINITY
  if (first.numel() === 0) return 0
  const same = first.eq(second).logical_or(first.isnan().logical_and(second.isnan()))
  const difference = first.to('float64').sub(second.to('float64')).masked_fill(same, 0).abs().max().item()
  const size = first.to('float64').nan_to_num(0, 0, 0).abs().max().item()
  return difference <= roundings * epsilon(first.dtype) * size ? 0 : difference
}
