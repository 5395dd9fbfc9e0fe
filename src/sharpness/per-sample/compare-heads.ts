import { expectList, expectObject, SosError } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { expectDataset } from '../../data/internal.js'
import { expectKind, parameterName, whyCurved } from '../../model/internal.js'
import { type ScriptModule, Tensor, torch } from '../../torch/index.js'
import { expectModule, expectTensor } from '../../torch/internal.js'
import type { Classifier } from '../collapse/neural-collapse.js'
import { inFullPrecision } from '../full-precision.js'
import {
  isReadElsewhere,
  type LastLayer,
  lastInput,
  lastLayerAt,
  lastLayerPart,
  notLast,
  spreadOf,
} from '../last-layer.js'
import { chosenParameters } from '../operators/chosen-parameters.js'
import { expectTrace } from '../traces/hessian-trace.js'
import { type DrawnImages, drawImages } from './draw-images.js'
import { differenceTerms, headOnImages } from './head-terms.js'
import type { ImageSample } from './image-sample.js'
import { measureImages } from './measure-images.js'
import { checkPerSample, expectFewClasses, type PerSampleOptions, withSamples } from './per-sample-options.js'
import type { SampledMean, SampledValue } from './sampled-mean.js'
import { traceTerms } from './trace-terms.js'

/** What other weights of the last layer change in the trace. */
export interface HeadComparison extends ImageSample {
  /** The trace with the model's own last layer, on the same images. */
  readonly own: SampledValue
  /** The trace with each of the other heads: `own` and the difference, image by image. */
  readonly others: readonly SampledValue[]
  /** For each of the other heads, the trace with it less `own`, paired over the images. */
  readonly differences: readonly SampledValue[]
}

/**
 * Measures what other weights of the last layer change in the trace that {@link perSampleTrace} measures: tr(V*) − tr(V), image by image,
 * for several V* at once. The two traces themselves are never subtracted. Let a_i be the layer's input and A = diag p − ppᵀ. At a_i the
 * matrices of the two heads differ by
 *
 *     D_i = V*A*V*ᵀ − VAVᵀ,
 *
 * of rank 2(K − 1) at most, which is split into its positive and its negative part. Each takes one backward, or one for each eigenvector
 * with `exact`. What the heads have in common has no part in it, so that the difference has a far smaller error than either trace. The
 * last layer's own block, (‖a‖² + 1)(1 − ‖p‖²), is exact.
 *
 * @param model a classifier; it is not changed
 * @param path the path of the linear layer whose output is the model's, for example `linearLayer(model).path`
 * @param heads the other weights of this layer, as TorchScript stores them: [K, m], and a bias [K] or null
 * @param dataset the dataset that the images are drawn from
 * @param options as for {@link perSampleTrace}. With `confidence` the score of an image is the sum of 1 − ‖p‖² over all heads
 * @returns the trace with the model's own head, and the difference that each other head makes
 * @throws `ERR_NOT_LAST`; `ERR_SHAPE` if a head has another shape than the layer; what {@link perSampleTrace} throws
 * @example
 * const [weight, bias] = [model.namedParameters().get('fc.weight')!, model.namedParameters().get('fc.bias')!]
 * const halved = torch.noGrad(() => weight.mul(0.5))
 * const { differences } = await compareHeads(model, 'fc', [{ weight: halved, bias }], train, { samples: 16 })
 * console.log(differences.length, differences[0]!.standardError > 0) // → 1 true
 */
export async function compareHeads(
  model: ScriptModule,
  path: string,
  heads: readonly Classifier[],
  dataset: Dataset,
  options: PerSampleOptions = {},
): Promise<HeadComparison> {
  expectModule('model', model)
  expectDataset('dataset', dataset)
  checkPerSample(options)
  const { probes = 2 } = options
  using held = await inFullPrecision(model)
  const last = lastLayerAt(held, path)
  if (isReadElsewhere(held, path)) throw notLast(path, 'something else reads its weight or its bias, too')
  expectHeads(heads, last)
  if (probes === 'exact') expectFewClasses(last.weight.shape[0]!)
  const trained = chosenParameters(held, options.parameters)
  const isTrained = (own: 'weight' | 'bias') => trained.has(parameterName(path, own))
  const counted = new Map(trained)
  for (const own of ['weight', 'bias']) counted.delete(parameterName(path, own))
  const all: readonly Classifier[] = [last, ...heads]
  if (counted.size === 0) {
    throw new SosError(
      'ERR_NO_GRADIENT',
      `${model.path}: only parameters of '${path}' require gradients; their part is that of lastLayerTrace`,
    )
  }
  const drawn = await drawByHeads(held, last, all, dataset, withSamples(dataset, options))
  const measured = await measureImages({
    model: held,
    dataset,
    drawn,
    counted,
    options,
    quantities: all.length,
    watch: path,
    terms: ({ output, watched }, generator) => {
      expectKind(output, options.outputs ?? 'logits')
      const features = lastInput(last, watched, output)
      const each = all.map((head) => headOnImages(features, head))
      const parts = each.map(({ p }) =>
        lastLayerPart(features, p, { weight: isTrained('weight'), bias: isTrained('bias') }),
      )
      const [own, ...others] = each
      return {
        target: features,
        terms: [
          ...traceTerms(own!.p, probes, generator, own!.weight),
          ...others.flatMap((other, i) => differenceTerms([own!, other], i + 1, probes, generator)),
        ],
        ...(isTrained('weight') || isTrained('bias')
          ? { known: { path, values: parts.map((part, i) => (i === 0 ? part : part.sub(parts[0]!))) } }
          : {}),
      }
    },
  })
  const { own, others, differences } = resultsOf(measured.values)
  for (const { value } of [own, ...others]) expectTrace(model, value)
  return {
    own,
    others,
    differences,
    size: [...trained.values()].reduce((sum, parameter) => sum + parameter.numel(), 0),
    samples: drawn.counts.reduce((a, b) => a + b, 0),
    ...{ probes, indices: measured.indices, weights: measured.weights },
    curvedBy: whyCurved(held),
    oneByOne: measured.oneByOne,
    withoutGradient: measured.withoutGradient.filter((name) => counted.has(name) || !trained.has(name)),
  }
}

/** The trace with the own head, that with each of the others, and the differences, from the values of the first and of the differences. */
function resultsOf([own, ...differences]: readonly SampledMean[]): Pick<
  HeadComparison,
  'own' | 'others' | 'differences'
> {
  using first = own!
  return {
    own: first.result(),
    others: differences.map((difference) => {
      using sum = first.plus(difference)
      return sum.result()
    }),
    differences: differences.map((mean) => {
      using difference = mean
      return difference.result()
    }),
  }
}

/** Draws images; by confidence for the sum of the scores of all heads. */
async function drawByHeads(
  model: ScriptModule,
  last: LastLayer,
  heads: readonly Classifier[],
  dataset: Dataset,
  options: PerSampleOptions & { samples: number },
): Promise<DrawnImages> {
  let heard: Tensor[] = []
  const hook = model.registerForwardPreHook(last.path, ({ inputs: [input] }) => {
    if (input instanceof Tensor) heard = [input]
  })
  try {
    const score = (output: Tensor) => {
      const features = lastInput(last, heard, output)
      return torch.stack(heads.map((head) => spreadOf(headOnImages(features, head).p))).sum([0])
    }
    return await drawImages(dataset, options, [{ model, score }])
  } finally {
    hook.remove()
  }
}

function expectHeads(heads: readonly Classifier[], { weight, bias }: LastLayer): void {
  expectList('heads', heads)
  if (heads.length === 0) throw new SosError('ERR_INVALID_ARGUMENT', 'expected at least one other head')
  for (const [i, head] of heads.entries()) {
    expectObject(`heads[${i}]`, head)
    expectTensor(`heads[${i}].weight`, head.weight)
    if (head.bias !== null) expectTensor(`heads[${i}].bias`, head.bias)
    const [expected, found] = [
      [weight.shape, bias?.shape],
      [head.weight.shape, head.bias?.shape],
    ].map(String)
    if (expected === found) continue
    throw new SosError(
      'ERR_SHAPE',
      `expected heads of the layer's shape, a weight [${weight.shape.join(', ')}] and ${bias === null ? 'no bias' : `a bias [${bias.shape.join(', ')}]`}, but heads[${i}] has [${head.weight.shape.join(', ')}] and ${head.bias === null ? 'no bias' : `[${head.bias.shape.join(', ')}]`}`,
    )
  }
}
