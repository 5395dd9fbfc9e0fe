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

/** A layer that multiplies its inputs' rows by a matrix: it can be shifted. */
export type ShiftableLayer = LinearLayer | ConvolutionLayer

/**
 * Finds a linear layer: the one at `path`, or the one that makes the model's output ({@link outputLayer}).
 *
 * @param model the model
 * @param path the path of the layer. Default: the layer that makes the output
 * @param item which item of the output is meant, if the output is a tuple or a dictionary and no path is given
 * @returns the layer's path, its numbers of inputs and outputs, and whether it has a bias
 * @throws `ERR_FROZEN` for a frozen model; `ERR_NO_SUCH_MODULE` or `ERR_NOT_LINEAR` if there is no linear layer at the
 *   path; `ERR_NOT_SHIFTABLE` if its weight is quantised or computed at run time, or its own code does more than
 *   multiply; `ERR_NO_OUTPUT_LAYER` if something else makes the output; `ERR_NO_LINEAR` if forward calls no linear
 *   layer
 * @example
 * const { path, inFeatures, outFeatures } = linearLayer(model)
 * console.log(path, inFeatures, outFeatures) // → fc 256 10
 */
export function linearLayer(model: ScriptModule, path?: string, item?: OutputItem): LinearLayer {
  return path === undefined ? outputLayer(model, item).layer : linearLayerAt(model, path)
}

/**
 * Finds a layer that can be shifted: the linear layer or 2-d convolution at `path`, or the linear layer that makes the
 * model's output.
 *
 * @param model the model
 * @param path the path of the layer. Default: the linear layer that makes the output
 * @param item which item of the output is meant, if the output is a tuple or a dictionary and no path is given
 * @returns the layer
 * @throws what {@link linearLayer} throws, and `ERR_NOT_SHIFTABLE` if the weight is tied, that is if something else
 *   reads it too
 * @example
 * console.log(shiftableLayer(model).path) // → fc
 * console.log(shiftableLayer(model, 'layer4.conv2').inFeatures) // → 2304
 */
export function shiftableLayer(model: ScriptModule, path?: string, item?: OutputItem): ShiftableLayer {
  expectModule('model', model)
  if (path !== undefined && model.kind !== 'frozen') {
    const node = model.modules().find((candidate) => candidate.path === path)
    if (node !== undefined && callsConvolution(node)) return convolutionLayer(model, path)
  }
  return untied(model, linearLayer(model, path, item))
}

/** Returns the layer itself. Throws `ERR_NOT_SHIFTABLE` if its weight is tied. */
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
 * Refuses to change a bias that something else reads too: the outputs for the batch would change.
 *
 * @param modes the bias modes of the shifts to come; undefined means `fixed`
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
    `expected for the bias mode '${changing}' a bias that only '${path}' reads, but it is tied: something else reads it too; take 'fixed'`,
  )
}

/**
 * Whether a layer is a convolution, so that it has a `geometry`.
 *
 * @param layer a layer, as `shiftableLayer` returns it
 * @returns true for a convolution, false for a linear layer
 * @example
 * console.log(isConvolution(shiftableLayer(model, 'layer4.conv2'))) // → true
 */
export function isConvolution(layer: ShiftableLayer): layer is ConvolutionLayer {
  expectObject('layer', layer)
  return 'geometry' in layer
}

/** The number of groups, each of which has a matrix of its own. A linear layer is one group. */
export function groupsOf(layer: ShiftableLayer): number {
  return isConvolution(layer) ? layer.geometry.groups : 1
}
