import type { DataFlow, ScriptModule } from '../../torch/index.js'

/** What the forward of the submodule at `path` computes itself; null if it has no forward. */
export function ownFlow(model: ScriptModule, path: string): DataFlow | null {
  const own = model.submodule(path)
  try {
    return own.methods.some((schema) => schema.startsWith('forward(')) ? own.dataFlow() : null
  } finally {
    own.dispose()
  }
}
