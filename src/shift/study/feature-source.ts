import { SosError } from '../../base/index.js'
import type { LinearLayer, OutputItem } from '../../model/index.js'
import {
  expectFinite,
  InferenceModel,
  isOutputOf,
  onImages,
  outputOf,
  parametersAt,
} from '../../model/internal.js'
import { type ScriptModule, scope, Tensor, torch, type Value } from '../../torch/index.js'

/** Computes the inputs of a model's last layer. */
export interface FeatureSource {
  /** @returns the layer's inputs, [N, m], on the CPU */
  rows(images: Tensor): Promise<Tensor>
  /** Frees what the source holds. */
  end(): void
}

/**
 * The inputs as a forward pre-hook receives them. For every batch of images it is checked that the model's output is
 * the layer's, or its softmax or log-softmax. A study evaluates the layer's outputs, which are logits in each case.
 *
 * @param item which item of the model's output is meant
 * @throws (`rows`) `ERR_NOT_LAST` if the layer's output is not the model's; `ERR_OUTPUT_SHAPE` if the model's output
 *   has no such item
 */
export function hookedSource(model: ScriptModule, layer: LinearLayer, item?: OutputItem): FeatureSource {
  let heard: Tensor[] = []
  const own = model.view() // so that the hook receives only the calls of this view
  own.registerForwardPreHook(layer.path, ({ inputs: [input] }) => {
    if (input instanceof Tensor) heard.push(input.detach())
  })
  return {
    rows: (images) =>
      scope(async () => {
        const output = await onImages(model, images, async (some) => {
          heard = []
          return outputOf(await own.forward<Value>(some), item)
        })
        const [input] = heard
        if (heard.length !== 1 || input!.shape.length !== 2 || input!.shape[0] !== images.shape[0]) {
          throw notLast(layer, 'it does not get one row for each image')
        }
        expectFinite(model, `the inputs of '${layer.path}'`, input!, images)
        const { weight, bias } = parametersAt(model, layer.path)
        if (!(output instanceof Tensor && isOutputOf(torch.linear(input!, weight!, bias), output))) {
          throw notLast(layer, "its output is not the model's: something comes after it")
        }
        return input!.to({ device: 'cpu' }).clone()
      }),
    end: () => own.dispose(),
  }
}

/**
 * The output of a copy of the model whose layer is the identity. The copy runs as evaluation runs a model: frozen,
 * optimised, in channels_last. Its output is the layer's input, apart from the rounding of these kernels.
 */
export async function frozenSource(
  model: ScriptModule,
  layer: LinearLayer,
  item?: OutputItem,
): Promise<FeatureSource> {
  const copy = await model.clone()
  const { weight, bias } = parametersAt(copy, layer.path)
  torch.noGrad(() =>
    scope(() => {
      const { dtype } = weight!
      weight!.set_(torch.eye(layer.inFeatures, { dtype, device: weight!.device }))
      bias?.set_(torch.zeros([layer.inFeatures], { dtype, device: bias.device }))
    }),
  )
  const inference = await InferenceModel.of(copy, (output) => outputOf(output, item)).finally(() =>
    copy.dispose(),
  )
  return {
    rows: (images) =>
      scope(async () => {
        const output = await onImages(model, images, (some) => inference.forward(some))
        if (output instanceof Tensor) return output.to({ device: 'cpu' })
        throw notLast(layer, "its output is not the model's")
      }),
    end: () => inference.dispose(),
  }
}

function notLast(layer: LinearLayer, why: string): SosError {
  return new SosError(
    'ERR_NOT_LAST',
    `expected the last layer of a classifier to study but '${layer.path}' is not that: ${why}; shift it by \`sos shift\` and evaluate the result`,
  )
}
