import { convolutionLayers, linearLayers } from '../../model/index.js'
import { ownFlow, parameterName, type WeightReads } from '../../model/internal.js'
import type { ScriptModule, Tensor } from '../../torch/index.js'
import {
  batchNormRule,
  type CountedParameters,
  convolutionRule,
  type LayerRule,
  layerNormRule,
  linearRule,
} from './layer-rules.js'

/** A layer with a rule for the norms of its gradients. */
export interface RuledLayer {
  /** The path of the submodule, which forward calls once. */
  readonly path: string
  /** The names of the parameters that the rule counts. */
  readonly names: readonly string[]
  readonly rule: LayerRule
}

/**
 * Finds the layers of a model, as its graph in eval mode shows them, whose submodule is one linear layer, 2-d convolution, BatchNorm or
 * LayerNorm and nothing else, is called once, and whose parameters nothing else reads.
 *
 * @param model a view in eval mode
 * @param counted the parameters that count, by name
 * @param reads what the model's forward reads
 */
export function ruledLayers(
  model: ScriptModule,
  counted: ReadonlyMap<string, Tensor>,
  reads: WeightReads,
): RuledLayer[] {
  const called = ['', ...model.calledSubmodules()]
  const makers = { ...affineRules(model), ...normRules(model, called) }
  return [...new Set(called)].flatMap((path) => {
    const make = makers[path]
    if (make === undefined || called.filter((other) => other === path).length > 1) return []
    const of = (own: 'weight' | 'bias') => counted.has(parameterName(path, own))
    const parts = (['weight', 'bias'] as const).filter(of)
    const { calls = [] } = ownFlow(model, path) ?? {}
    if (parts.length === 0 || parts.some((own) => reads.beyond(path, calls, own))) return []
    const rule = make({ weight: of('weight'), bias: of('bias') })
    return [{ path, names: parts.map((own) => parameterName(path, own)), rule }]
  })
}

type Makers = Record<string, (counted: CountedParameters) => LayerRule>

function affineRules(model: ScriptModule): Makers {
  const isWhole = (path: string) => {
    const flow = ownFlow(model, path)
    const made = flow?.result.call === undefined ? undefined : flow.calls[flow.result.call]
    return /conv/.test(made?.operator ?? '')
  }
  const linear = linearLayers(model).map(({ path }) => [path, linearRule] as const)
  const convolutions = convolutionLayers(model)
    .filter(({ path }) => isWhole(path))
    .map(
      ({ path, geometry }) =>
        [path, (counted: CountedParameters) => convolutionRule(geometry, counted)] as const,
    )
  return Object.fromEntries([...linear, ...convolutions])
}

function normRules(model: ScriptModule, called: readonly string[]): Makers {
  const buffers = model.namedBuffers()
  const makers: Makers = {}
  for (const path of called) {
    const flow = ownFlow(model, path)
    const made = flow?.result.call === undefined ? undefined : flow.calls[flow.result.call]
    if (made === undefined || made.module !== '' || made.arguments.input?.input !== 0) continue
    const { eps, weight, bias, running_mean, running_var, training, normalized_shape } = made.arguments
    const epsilon = eps?.value
    const isOwn = (weight?.attribute ?? 'weight') === 'weight' && (bias?.attribute ?? 'bias') === 'bias'
    if (typeof epsilon !== 'number' || !isOwn) continue
    if (made.operator === 'aten::layer_norm') {
      const shape = [normalized_shape?.value].flat().map(Number)
      makers[path] = (counted) => layerNormRule({ shape, epsilon }, counted)
    }
    const [mean, variance] = [running_mean, running_var].map((source) =>
      source?.attribute === undefined ? undefined : buffers.get(parameterName(path, source.attribute)),
    )
    if (made.operator === 'aten::batch_norm' && training?.value === false && mean && variance) {
      makers[path] = (counted) => batchNormRule({ mean, variance, epsilon }, counted)
    }
  }
  return makers
}
