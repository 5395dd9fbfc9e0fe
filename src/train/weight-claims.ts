import { SosError } from '../base/index.js'
import type { ScriptModule } from '../torch/index.js'
import { memoryOf } from '../torch/internal.js'

/** Where the weights lie that trainers of this thread are at work on. */
const inTraining = new Set<bigint>()

/**
 * Keeps other trainers of this thread from the weights of a model until it is disposed of, however they reach them: by a view, as a
 * part of another model, or the other way round. Weights that no gradient reaches may be shared.
 *
 * @throws `ERR_BUSY` where one has them
 */
export function claimWeights(model: ScriptModule): Disposable {
  const own = [...model.namedParameters()]
    .filter(([, tensor]) => tensor.requiresGrad && tensor.layout === 'strided')
    .map(([name, tensor]) => memoryOf(name, tensor).storage)
  if (own.some((storage) => inTraining.has(storage))) {
    throw new SosError(
      'ERR_BUSY',
      `${model.path}: another trainer is at work on its weights, and steps of both would mix: await its run() before, or train a clone() of the module`,
    )
  }
  for (const storage of own) inTraining.add(storage)
  return {
    [Symbol.dispose]: () => {
      for (const storage of own) inTraining.delete(storage)
    },
  }
}
