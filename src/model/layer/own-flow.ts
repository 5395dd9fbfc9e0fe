import type { ScriptModule } from '../../torch/module/script-module.js'
import type { DataFlow } from '../../torch/native/binding.js'

/** What the forward of the submodule at `path` computes by itself; null where it has none. */
export function ownFlow(model: ScriptModule, path: string): DataFlow | null {
  const own = model.submodule(path)
  try {
    return own.methods.some((schema) => schema.startsWith('forward(')) ? own.dataFlow() : null
  } finally {
    own.dispose()
  }
}
