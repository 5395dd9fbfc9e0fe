import { SosError } from '../base/index.js'
import { type ScriptModule, type Tensor, torch } from '../torch/index.js'
import type { Optimizer } from './optimizers/optimizer.js'

/** The tensors that a run is made of: weights and buffers, the optimizer's, where the sources of random numbers are. */
export function capture(model: ScriptModule, optimizer: Optimizer, device: string): Map<string, Tensor> {
  const named = (prefix: string, tensors: Iterable<[string, Tensor]>): [string, Tensor][] =>
    Array.from(tensors, ([name, tensor]) => [`${prefix}.${name}`, tensor])
  return new Map([
    ...named('model', model.stateDict()),
    ...named('optimizer', optimizer.state()),
    ...sources(device).map((source): [string, Tensor] => [`random.${source}`, torch.getRngState(source)]),
  ])
}

/**
 * Puts a run's tensors back: copies them.
 *
 * @throws `ERR_CHECKPOINT`, `ERR_STATE_DICT_MISMATCH` where they are of another model or optimizer
 */
export function restore(
  tensors: ReadonlyMap<string, Tensor>,
  model: ScriptModule,
  optimizer: Optimizer,
  device: string,
): void {
  const under = (prefix: string) =>
    new Map(
      [...tensors]
        .filter(([name]) => name.startsWith(`${prefix}.`))
        .map(([name, tensor]) => [name.slice(prefix.length + 1), tensor] as const),
    )
  const own = model.stateDict()
  for (const [name, tensor] of tensors) {
    const expected = name.startsWith('model.') ? own.get(name.slice('model.'.length))?.dtype : tensor.dtype
    const known = /^(model|optimizer|random)\./.test(name)
    if (known && (expected === undefined || expected === tensor.dtype)) continue
    const what = known ? `${expected} for '${name}' but it is ${tensor.dtype}` : `no tensor '${name}'`
    throw new SosError('ERR_CHECKPOINT', `expected a checkpoint of this model: ${what}`)
  }
  model.loadStateDict(under('model'))
  optimizer.restore(under('optimizer'))
  const states = under('random')
  for (const source of sources(device)) {
    const state = states.get(source)
    if (state === undefined) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `expected the state of the random numbers of ${source} but there is none`,
      )
    }
    torch.setRngState(state, source)
  }
  for (const tensor of tensors.values()) tensor.dispose()
}

/** The sources of random numbers that a model on `device` draws from. */
function sources(device: string): string[] {
  return device.startsWith('cuda') && torch.cuda.isAvailable() ? ['cpu', device] : ['cpu']
}
