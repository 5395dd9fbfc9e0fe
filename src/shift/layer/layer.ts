import { SosError } from '../../torch/errors.js'
import type { ScriptModule } from '../../torch/module/script-module.js'
import { type ConvolutionLayer, callsConvolution, convolutionLayer } from './convolution.js'
import { type LinearLayer, linearLayerAt } from './linear-layer.js'
import { outputLayer } from './output-layer.js'
import { ownFlow } from './own-flow.js'
import { WeightReads } from './weight-reads.js'

/** A layer whose output is its inputs' rows times a matrix: what can be shifted. */
export type ShiftableLayer = LinearLayer | ConvolutionLayer

/**
 * The linear layer at `path`, or the one that makes the model's output ({@link outputLayer}).
 *
 * @throws `ERR_FROZEN`, `ERR_NO_SUCH_MODULE`, `ERR_NOT_LINEAR`, `ERR_NOT_SHIFTABLE` where its weight is quantised or computed at run
 * time, or its own code does more; `ERR_NO_OUTPUT_LAYER`, and `ERR_NO_LINEAR` where forward calls none
 */
export function linearLayer(model: ScriptModule, path?: string): LinearLayer {
  return path === undefined ? outputLayer(model).layer : linearLayerAt(model, path)
}

/**
 * The linear layer or 2-d convolution at `path`, or the linear layer that makes the model's output.
 *
 * @throws as {@link linearLayer}, and `ERR_NOT_SHIFTABLE` where its weight is tied: something else reads it too
 */
export function shiftableLayer(model: ScriptModule, path?: string): ShiftableLayer {
  if (path !== undefined && model.kind !== 'frozen') {
    const node = model.modules().find((candidate) => candidate.path === path)
    if (node !== undefined && callsConvolution(node)) return convolutionLayer(model, path)
  }
  return untied(model, linearLayer(model, path))
}

/** The layer itself. Throws `ERR_NOT_SHIFTABLE` where its weight is tied. */
export function untied(model: ScriptModule, layer: LinearLayer): LinearLayer {
  const calls = ownFlow(model, layer.path)?.calls ?? []
  if (!new WeightReads(model).beyond(layer.path, calls)) return layer
  throw new SosError(
    'ERR_NOT_SHIFTABLE',
    `'${layer.path}' cannot be shifted: its weight is tied: something else reads it too`,
  )
}

export function isConvolution(layer: ShiftableLayer): layer is ConvolutionLayer {
  return 'geometry' in layer
}

/** Groups of a convolution have a matrix each; a linear layer is one group. */
export function groupsOf(layer: ShiftableLayer): number {
  return isConvolution(layer) ? layer.geometry.groups : 1
}
