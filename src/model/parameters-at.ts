import type { ScriptModule, Tensor } from '../torch/index.js'

/** The name of a parameter of the submodule at `path`; '' is the root. */
export function parameterName(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/**
 * The weight and the bias of the submodule at `path`; null for one that it does not have. They share the module's own
 * memory.
 */
export function parametersAt(
  model: ScriptModule,
  path: string,
): { weight: Tensor | null; bias: Tensor | null } {
  const parameters = model.namedParameters()
  const named = (name: string) => parameters.get(parameterName(path, name)) ?? null
  return { weight: named('weight'), bias: named('bias') }
}
