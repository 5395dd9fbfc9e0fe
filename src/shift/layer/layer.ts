import { expectObject, SosError } from '../../base/index.js'
import {
  type ConvolutionLayer,
  convolutionLayer,
  type LinearLayer,
  type OutputItem,
  outputLayer,
} from '../../model/index.js'
import { callsConvolution, linearLayerAt, ownFlow, WeightReads } from '../../model/internal.js'
import type { ScriptModule } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import type { BiasMode } from '../solve/solve.js'

/** A layer whose output is its inputs' rows times a matrix: what can be shifted. */
export type ShiftableLayer = LinearLayer | ConvolutionLayer

/**
 * The linear layer at `path`, or the one that makes the model's output ({@link outputLayer}).
 *
 * @param item which item of the output is meant, where it is a tuple or a dictionary
 * @throws `ERR_FROZEN`, `ERR_NO_SUCH_MODULE`, `ERR_NOT_LINEAR`, `ERR_NOT_SHIFTABLE` where its weight is quantised or computed at run
 * time, or its own code does more; `ERR_NO_OUTPUT_LAYER`, and `ERR_NO_LINEAR` where forward calls none
 */
export function linearLayer(model: ScriptModule, path?: string, item?: OutputItem): LinearLayer {
  return path === undefined ? outputLayer(model, item).layer : linearLayerAt(model, path)
}

/**
 * The linear layer or 2-d convolution at `path`, or the linear layer that makes the model's output.
 *
 * @throws as {@link linearLayer}, and `ERR_NOT_SHIFTABLE` where its weight is tied: something else reads it too
 */
export function shiftableLayer(model: ScriptModule, path?: string, item?: OutputItem): ShiftableLayer {
  expectModule('model', model)
  if (path !== undefined && model.kind !== 'frozen') {
    const node = model.modules().find((candidate) => candidate.path === path)
    if (node !== undefined && callsConvolution(node)) return convolutionLayer(model, path)
  }
  return untied(model, linearLayer(model, path, item))
}

/** The layer itself. Throws `ERR_NOT_SHIFTABLE` where its weight is tied. */
export function untied(model: ScriptModule, layer: LinearLayer): LinearLayer {
  const calls = ownFlow(model, layer.path)?.calls ?? []
  const reads = new WeightReads(model)
  const why = reads.beyond(layer.path, calls)
    ? 'its weight is tied: something else reads it too'
    : reads.repeats(layer.path)
      ? 'elements of its weight lie in one place of memory, as expand() leaves them; clone the weight and export the model again'
      : null
  if (why === null) return layer
  throw new SosError('ERR_NOT_SHIFTABLE', `'${layer.path}' cannot be shifted: ${why}`)
}

/**
 * Refuses to change a bias that something else reads too: the batch would not stay as it is.
 *
 * @param modes those of the shifts to come; undefined is `fixed`
 * @throws `ERR_BIAS`
 */
export function expectOwnBias(
  model: ScriptModule,
  { path, hasBias }: ShiftableLayer,
  modes: readonly (BiasMode | undefined)[],
): void {
  const changing = modes.find((mode) => mode !== undefined && mode !== 'fixed')
  if (!hasBias || changing === undefined) return
  const calls = ownFlow(model, path)?.calls ?? []
  if (!new WeightReads(model).beyond(path, calls, 'bias')) return
  throw new SosError(
    'ERR_BIAS',
    `expected a bias that '${path}' alone reads for the mode '${changing}' but it is tied: something else reads it too; take 'fixed'`,
  )
}

export function isConvolution(layer: ShiftableLayer): layer is ConvolutionLayer {
  expectObject('layer', layer)
  return 'geometry' in layer
}

/** Groups of a convolution have a matrix each; a linear layer is one group. */
export function groupsOf(layer: ShiftableLayer): number {
  return isConvolution(layer) ? layer.geometry.groups : 1
}
