import { SosError } from '../../base/index.js'
import type { Dataset } from '../../data/index.js'
import { pass } from '../../model/internal.js'
import { type ScriptModule, scope, type Tensor, torch, type Value } from '../../torch/index.js'
import type { Classifier } from '../collapse/neural-collapse.js'
import { WatchedLastLayer } from './last-layer.js'
import type { SurveyOptions } from './survey.js'

/** On how many images the code of two models is compared. */
const fewImages = 4

/**
 * Throws `ERR_STATE_DICT_MISMATCH` unless two models have parameters and buffers of the same names and shapes;
 * `ERR_FROZEN` if one has no parameters since it is frozen.
 */
export function expectSameState(first: ScriptModule, second: ScriptModule): void {
  for (const { kind, path } of [first, second]) {
    if (kind !== 'frozen') continue
    throw new SosError(
      'ERR_FROZEN',
      `${path}: expected a model with parameters but it is frozen: its weights are constants; export it by torch.jit.script, without torch.jit.freeze or optimize_for_inference`,
    )
  }
  scope(() => {
    const [one, other] = [first.stateDict(), second.stateDict()]
    const names = new Set([...one.keys(), ...other.keys()])
    for (const name of names) {
      const [a, b] = [one.get(name), other.get(name)]
      if (a !== undefined && b !== undefined && String(a.shape) === String(b.shape)) continue
      throw new SosError(
        'ERR_STATE_DICT_MISMATCH',
        `expected two models of the same architecture but '${name}' is ${described(a)} in ${first.path} and ${described(b)} in ${second.path}`,
      )
    }
  })
}

/**
 * The last layers of two models if nothing else differs: neither another parameter or buffer, nor the code before that
 * layer, as far as a few images show it. Otherwise null.
 */
export async function differInLastLayer(
  first: ScriptModule,
  second: ScriptModule,
  data: Dataset,
  indices: readonly number[],
  { device, output: item }: SurveyOptions,
): Promise<{ first: Classifier; second: Classifier } | null> {
  const [own, other] = [first, second].map((model) => WatchedLastLayer.classifierOf(model, item))
  if (own === null || own === undefined || other === null || other === undefined) return null
  if (String(own.names) !== String(other.names)) return null
  const isSame = scope(() => {
    const others = second.stateDict()
    return [...first.stateDict()].every(
      ([name, tensor]) => own.names.includes(name) || tensor.equal(others.get(name)!.to(tensor.device)),
    )
  })
  if (!isSame) return null
  // Views, so that the hooks are removed with them.
  using one = first.view({ eval: true })
  using two = second.view({ eval: true })
  const layers = [one, two].map((model) => new WatchedLastLayer(model, item))
  for await (const { images } of pass(one, data, indices, { chunk: fewImages, device })) {
    await one.forward<Value>(images)
    await two.forward<Value>(images)
    const [inputs, others] = layers.map((layer) => layer.inputs(images.shape[0]!))
    if (inputs === null || inputs === undefined || others === null || others === undefined) return null
    return torch.allclose(inputs, others, 1e-4, 1e-5) ? { first: own, second: other } : null
  }
  return null
}

function described(tensor: Tensor | undefined): string {
  return tensor === undefined ? 'missing' : `[${tensor.shape.join(', ')}]`
}
