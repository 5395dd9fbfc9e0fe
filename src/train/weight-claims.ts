import { SosError } from '../base/index.js'
import type { ScriptModule } from '../torch/index.js'
import { memoryOf } from '../torch/internal.js'

/** The storages of the weights on which trainers of this thread are at work. */
const claimed = new Set<bigint>()

/**
 * Claims the weights of a model for one trainer until the result is disposed of. Another trainer of this thread cannot claim them in any
 * way: not through a view, not as a part of a larger model, not as the whole of a part. Weights that no gradient reaches may be shared.
 *
 * @throws `ERR_BUSY` if another trainer has claimed one of the weights
 */
export function claimWeights(model: ScriptModule): Disposable {
  const own = [...model.namedParameters()]
    .filter(([, tensor]) => tensor.requiresGrad && tensor.layout === 'strided')
    .map(([name, tensor]) => memoryOf(name, tensor).storage)
  if (own.some((storage) => claimed.has(storage))) {
    throw new SosError(
      'ERR_BUSY',
      `${model.path}: another trainer is at work on the model's weights, and the steps of both would mix: await the other run() first, or train a clone() of the module`,
    )
  }
  for (const storage of own) claimed.add(storage)
  return {
    [Symbol.dispose]: () => {
      for (const storage of own) claimed.delete(storage)
    },
  }
}
