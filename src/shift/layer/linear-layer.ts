import type { ModuleNode } from '../../torch/binding.js'
import { SosError } from '../../torch/errors.js'
import { noSuchModule, type ScriptModule } from '../../torch/module/script-module.js'

/** A fully connected layer of a model. */
export interface LinearLayer {
  readonly path: string
  /** m, the inputs. */
  readonly inFeatures: number
  /** n, the outputs. */
  readonly outFeatures: number
  readonly hasBias: boolean
}

/** The linear layers of a model in the order in which its forward calls them. */
export function linearLayers(model: ScriptModule): LinearLayer[] {
  const nodes = new Map(model.modules().map((node) => [node.path, node]))
  // A model may be nothing but a linear layer: then the root is one.
  return [...new Set(['', ...model.calledSubmodules()])].flatMap((path) => {
    const layer = asLinear(nodes.get(path)!)
    return layer === null ? [] : [layer]
  })
}

/**
 * The linear layer at `path`, or the last one that forward calls.
 *
 * @throws `ERR_FROZEN`, `ERR_NO_SUCH_MODULE`, `ERR_NOT_LINEAR`, `ERR_NO_LINEAR`
 */
export function linearLayer(model: ScriptModule, path?: string): LinearLayer {
  if (model.kind === 'frozen') {
    throw new SosError(
      'ERR_FROZEN',
      `${model.path}: a frozen module has no layers left to shift; export the model again without torch.jit.freeze`,
    )
  }
  const layers = linearLayers(model)
  if (path === undefined) {
    const last = layers.at(-1)
    if (last !== undefined) return last
    throw new SosError(
      'ERR_NO_LINEAR',
      `${model.path}: expected a linear layer to shift but forward calls none`,
    )
  }
  const nodes = model.modules()
  const node = nodes.find((candidate) => candidate.path === path)
  if (node === undefined)
    throw noSuchModule(
      path,
      nodes.map((candidate) => candidate.path),
    )
  const layer = asLinear(node)
  if (layer !== null) return layer
  const known = layers.map((candidate) => candidate.path).join(', ') || 'none'
  throw new SosError(
    'ERR_NOT_LINEAR',
    `expected a linear layer but '${path}' is a ${node.type}; the linear layers of this model: ${known}`,
  )
}

/**
 * A linear layer has a weight [n, m], perhaps a bias [n], and either calls aten::linear or, as old traces spell it out, has
 * a class of that name.
 */
function asLinear(node: ModuleNode): LinearLayer | null {
  const weight = node.parameters.find(({ name }) => name === 'weight')
  if (weight?.shape.length !== 2) return null
  if (!node.operators.includes('aten::linear') && !/Linear$/.test(node.type)) return null
  const [outFeatures, inFeatures] = weight.shape as [number, number]
  const hasBias = node.parameters.some(({ name }) => name === 'bias')
  return { path: node.path, inFeatures, outFeatures, hasBias }
}
