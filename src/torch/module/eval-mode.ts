import type { ScriptModule } from './script-module.js'

/** Puts a model in eval mode until it is disposed of, which gives it back the mode in which it came: `using mode = evalMode(model)`. */
export function evalMode(model: ScriptModule): Disposable {
  const { training } = model
  model.eval()
  return { [Symbol.dispose]: () => void model.train(training) }
}
