import { isOutputOf } from '../../data/probabilities.js'
import { noGrad } from '../../torch/context.js'
import { SosError } from '../../torch/errors.js'
import { InferenceModel } from '../../torch/module/inference-model.js'
import type { ScriptModule } from '../../torch/module/script-module.js'
import { torch } from '../../torch/ops.js'
import { scope } from '../../torch/scope.js'
import { Tensor } from '../../torch/tensor/tensor.js'
import type { LinearLayer } from '../layer/linear-layer.js'

/** Gives the inputs of a model's last layer. */
export interface FeatureSource {
  /** @returns [N, m] on the CPU */
  rows(images: Tensor): Promise<Tensor>
  end(): void
}

/**
 * The inputs as a forward pre-hook hears them. It holds the model's output against the layer's on all images: it is the same, or its
 * softmax or log-softmax. What is evaluated are the layer's outputs, which are logits in any case.
 *
 * @throws (`rows`) `ERR_NOT_LAST` where the layer's output is not the model's
 */
export function hookedSource(model: ScriptModule, layer: LinearLayer): FeatureSource {
  let heard: Tensor[] = []
  const own = model.view() // nobody else's calls are heard
  own.registerForwardPreHook(layer.path, ({ inputs: [input] }) => {
    if (input instanceof Tensor) heard.push(input.detach())
  })
  return {
    rows: (images) =>
      scope(async () => {
        heard = []
        const output = await own.forward<Tensor>(images)
        const [input] = heard
        if (heard.length !== 1 || input!.shape.length !== 2 || input!.shape[0] !== images.shape[0]) {
          throw notLast(layer, 'it does not get one row for each image')
        }
        const { weight, bias } = parametersOf(model, layer)
        if (!(output instanceof Tensor && isOutputOf(torch.linear(input!, weight, bias), output))) {
          throw notLast(layer, "its output is not the model's: something comes after it")
        }
        return input!.to({ device: 'cpu' }).clone()
      }),
    end: () => own.dispose(),
  }
}

/**
 * The output of a copy whose layer is the identity, run as evaluation runs a model: frozen, optimised, in channels_last. It is
 * the inputs of the layer, exact up to what these round.
 */
export async function frozenSource(model: ScriptModule, layer: LinearLayer): Promise<FeatureSource> {
  const copy = await model.clone()
  const { weight, bias } = parametersOf(copy, layer)
  noGrad(() =>
    scope(() => {
      const { dtype } = weight
      weight.set_(torch.eye(layer.inFeatures, { dtype, device: weight.device }))
      bias?.set_(torch.zeros([layer.inFeatures], { dtype, device: bias.device }))
    }),
  )
  const inference = await InferenceModel.of(copy).finally(() => copy.dispose())
  return {
    rows: (images) =>
      scope(async () => {
        const output = await inference.forward(images)
        if (output instanceof Tensor) return output.to({ device: 'cpu' })
        throw notLast(layer, "its output is not the model's")
      }),
    end: () => inference.dispose(),
  }
}

function parametersOf(model: ScriptModule, layer: LinearLayer): { weight: Tensor; bias: Tensor | null } {
  const parameters = model.namedParameters()
  const named = (name: string) => parameters.get(layer.path === '' ? name : `${layer.path}.${name}`)
  return { weight: named('weight')!, bias: named('bias') ?? null }
}

function notLast(layer: LinearLayer, why: string): SosError {
  return new SosError(
    'ERR_NOT_LAST',
    `a study takes the last layer of a classifier but '${layer.path}' is not that: ${why}; shift it by \`sos shift\` and evaluate the result`,
  )
}
