import { SosError } from '../../torch/errors.js'
import type { ScriptModule } from '../../torch/module/script-module.js'
import { type ConvolutionLayer, callsConvolution, convolutionLayer, ownCalls } from './convolution.js'
import { type LinearLayer, linearLayer } from './last-linear.js'
import { WeightReads } from './weight-reads.js'

/** A layer whose output is its inputs' rows times a matrix: what can be shifted. */
export type ShiftableLayer = LinearLayer | ConvolutionLayer

/**
 * The linear layer or 2-d convolution at `path`, or the last linear layer that forward calls.
 *
 * @throws `ERR_FROZEN`, `ERR_NO_SUCH_MODULE`, `ERR_NOT_LINEAR`, `ERR_NO_LINEAR`, and `ERR_NOT_SHIFTABLE` where its weight is
 * tied, quantised or computed at run time
 */
export function shiftableLayer(model: ScriptModule, path?: string): ShiftableLayer {
  if (path !== undefined && model.kind !== 'frozen') {
    const node = model.modules().find((candidate) => candidate.path === path)
    if (node !== undefined) {
      if (callsConvolution(node)) return convolutionLayer(model, path)
      refuse(path, reasonAgainstLinear(model, path))
    }
  }
  const layer = linearLayer(model, path)
  if (path === undefined) refuse(layer.path, reasonAgainstLinear(model, layer.path))
  return layer
}

export function isConvolution(layer: ShiftableLayer): layer is ConvolutionLayer {
  return 'geometry' in layer
}

/** Groups of a convolution have a matrix each; a linear layer is one group. */
export function groupsOf(layer: ShiftableLayer): number {
  return isConvolution(layer) ? layer.geometry.groups : 1
}

function refuse(path: string, reason: string | null): void {
  if (reason !== null) throw new SosError('ERR_NOT_SHIFTABLE', `'${path}' cannot be shifted: ${reason}`)
}

/** Null also where it is no linear layer at all. */
function reasonAgainstLinear(model: ScriptModule, path: string): string | null {
  const calls = ownCalls(model, path)
  if (calls.some(({ operator }) => /^quantized::linear/.test(operator))) {
    return 'it is quantised; shift the model before it is quantised'
  }
  const linear = calls.find(({ operator }) => operator === 'aten::linear')
  if (linear === undefined) return null
  if (linear.arguments.weight?.attribute !== 'weight') {
    return 'its weight is computed at run time, as by weight norm or another parametrisation; remove that and export the model again'
  }
  return new WeightReads(model).beyond(path, calls) ? 'its weight is tied: something else reads it too' : null
}
