import { SosError } from '../../base/index.js'
import type { ArgumentSource, DataFlow, ModuleNode, ScriptModule } from '../../torch/index.js'
import { expectModule, noSuchModule } from '../../torch/internal.js'
import { type AffineCall, affineCall, alternatives } from './affine-call.js'
import { ownFlow } from './own-flow.js'

/** A fully connected layer of a model: its output is its input's rows times its weight, plus its bias. */
export interface LinearLayer {
  /** The path of the submodule; '' if the model itself is the layer. */
  readonly path: string
  /** m, the number of inputs. */
  readonly inFeatures: number
  /** n, the number of outputs. */
  readonly outFeatures: number
  /** Whether the layer has a bias. */
  readonly hasBias: boolean
}

/**
 * Lists the linear layers of a model, in the order in which its forward calls them.
 *
 * @param model the model
 * @returns the layers; empty if there are none
 * @throws `ERR_INVALID_ARGUMENT` if it is not a module
 * @example
 * console.log(linearLayers(model).map(({ path }) => path)) // → [ 'fc' ]
 */
export function linearLayers(model: ScriptModule): LinearLayer[] {
  expectModule('model', model)
  const nodes = new Map(model.modules().map((node) => [node.path, node]))
  // A model may be nothing but a linear layer: then the root is one.
  return [...new Set(['', ...model.calledSubmodules()])].flatMap((path) => {
    const node = nodes.get(path)!
    const layer = weightOf(node) === undefined ? null : readLinear(model, node)
    return layer === null || typeof layer === 'string' ? [] : [layer]
  })
}

/**
 * The linear layer at `path`.
 *
 * @throws `ERR_FROZEN`; `ERR_NO_SUCH_MODULE`; `ERR_NOT_LINEAR` if the submodule is not a linear layer;
 *   `ERR_NOT_SHIFTABLE` if its weight is quantised or computed at run time, or its own code does more
 */
export function linearLayerAt(model: ScriptModule, path: string): LinearLayer {
  expectModule('model', model)
  if (model.kind === 'frozen') throw frozen(model)
  const nodes = model.modules()
  const node = nodes.find((candidate) => candidate.path === path)
  if (node === undefined)
    throw noSuchModule(
      path,
      nodes.map((candidate) => candidate.path),
    )
  const layer = readLinear(model, node)
  if (typeof layer === 'string') {
    throw new SosError('ERR_NOT_SHIFTABLE', `'${path}' cannot be shifted: ${layer}`)
  }
  if (layer !== null) return layer
  const known = linearLayers(model).map((candidate) => candidate.path)
  const what =
    ownFlow(model, path) === null
      ? `has no code, because a traced forward does not call it`
      : `is a ${node.type}`
  throw new SosError(
    'ERR_NOT_LINEAR',
    `expected a linear layer but '${path}' ${what}; the linear layers of this model: ${known.join(', ') || 'none'}`,
  )
}

export function frozen(model: ScriptModule): SosError {
  return new SosError(
    'ERR_FROZEN',
    `${model.path}: a frozen module has no layers left to shift; export the model again without torch.jit.freeze`,
  )
}

/**
 * Reads what a submodule is from the graph of its own forward: a linear layer, whatever its class; the reason why it is
 * not quite one; or null if it is none at all.
 */
export function readLinear(model: ScriptModule, node: ModuleNode): LinearLayer | string | null {
  const flow = ownFlow(model, node.path)
  if (flow === null) return null
  if (flow.calls.some(({ operator, module }) => module === '' && /^quantized::linear/.test(operator))) {
    return 'it is quantised; shift the model before it is quantised'
  }
  const returned = alternatives(flow.result).map((source) => affineCall(flow, source))
  const whole = returned.every((call) => call?.module === '')
  const own = whole ? (returned as AffineCall[]) : ownAffineCalls(flow)
  if (own.length === 0) return null
  const reason = own.map(reasonAgainst).find((found) => found !== null)
  if (reason !== undefined) return reason
  if (!whole) return `its own code changes its output${by(flow.result)}`
  const shape = weightOf(node)
  if (shape === undefined) return null
  const otherwise = reasonAgainstBias(own, node, shape[0])
  if (otherwise !== null) return otherwise
  return {
    path: node.path,
    inFeatures: shape[1],
    outFeatures: shape[0],
    hasBias: own.some(({ bias }) => bias !== null),
  }
}

/** [n, m], if the module has a parameter `weight` of this form. */
function weightOf({ parameters }: ModuleNode): readonly [number, number] | undefined {
  const shape = parameters.find(({ name }) => name === 'weight')?.shape
  return shape?.length === 2 ? (shape as [number, number]) : undefined
}

/** The calls in a module's own code, not in that of its children. */
function ownAffineCalls(flow: DataFlow): AffineCall[] {
  return flow.calls.flatMap(({ module, operator, skipped }, call) => {
    if (skipped || module !== '' || /::add_?$/.test(operator)) return []
    return affineCall(flow, { call, resultOf: operator }) ?? []
  })
}

function reasonAgainst({ input, weight, bias }: AffineCall): string | null {
  if (weight.input !== undefined) return 'its weight is tied: it is that of another layer'
  if (weight.attribute !== 'weight') {
    return `its weight is computed at run time${by(weight)}, as by weight norm or another parametrisation; remove that and export the model again`
  }
  if (bias?.input !== undefined) return 'its bias is tied: it is that of another layer'
  if (input.input !== 0) return `its own code changes its input first${by(input)}`
  if (bias !== null && bias.attribute !== 'bias') return `its bias is computed at run time${by(bias)}`
  return null
}

/**
 * Why z = xWᵀ + b does not hold with the module's own `bias`, which has an element for each of `outputs`; null if it
 * does.
 */
function reasonAgainstBias(calls: readonly AffineCall[], node: ModuleNode, outputs: number): string | null {
  const used = calls.filter(({ bias }) => bias !== null).length
  const shape = node.parameters.find(({ name }) => name === 'bias')?.shape
  if (used > 0 && used < calls.length) return 'a condition at run time decides whether it adds its bias'
  if (used === 0) return shape === undefined ? null : 'its own code does not add its bias'
  if (shape === undefined) return 'its bias is a buffer, and only parameters are known'
  if (shape.length === 1 && shape[0] === outputs) return null
  return `its bias has the shape [${shape.join(', ')}] instead of [${outputs}]`
}

const by = ({ resultOf }: ArgumentSource): string => (resultOf === undefined ? '' : ` by ${resultOf}`)
