import { SosError } from '../base/index.js'
import { type ScriptModule, type Tensor, torch } from '../torch/index.js'
import type { Optimizer } from './optimizers/optimizer.js'

/**
 * The tensors of a checkpoint: the model's weights and buffers as `model.NAME`, the optimizer's state as `optimizer.NAME`, the states
 * of the random number generators as `random.DEVICE`.
 */
export function checkpointTensors(
  model: ScriptModule,
  optimizer: Optimizer,
  device: string,
): Map<string, Tensor> {
  const prefixed = (prefix: string, tensors: Iterable<[string, Tensor]>): [string, Tensor][] =>
    Array.from(tensors, ([name, tensor]) => [`${prefix}.${name}`, tensor])
  return new Map([
    ...prefixed('model', model.stateDict()),
    ...prefixed('optimizer', optimizer.state()),
    ...prefixed(
      'random',
      generatorsOf(device).map((name) => [name, torch.getRngState(name)]),
    ),
  ])
}

/**
 * Copies the tensors of a checkpoint back to the model, the optimizer and the random number generators, and disposes of them.
 *
 * @throws `ERR_CHECKPOINT`, `ERR_STATE_DICT_MISMATCH` if they are of another model or optimizer
 */
export function restoreTensors(
  tensors: ReadonlyMap<string, Tensor>,
  model: ScriptModule,
  optimizer: Optimizer,
  device: string,
): void {
  expectTensorsOf(model, tensors)
  model.loadStateDict(under('model', tensors))
  optimizer.restore(under('optimizer', tensors))
  const states = under('random', tensors)
  for (const generator of generatorsOf(device)) {
    const state = states.get(generator)
    if (state === undefined) {
      throw new SosError(
        'ERR_CHECKPOINT',
        `expected the checkpoint to have the state of the random number generator of ${generator} but there is none`,
      )
    }
    torch.setRngState(state, generator)
  }
  for (const tensor of tensors.values()) tensor.dispose()
}

function expectTensorsOf(model: ScriptModule, tensors: ReadonlyMap<string, Tensor>): void {
  const own = model.stateDict()
  for (const [name, { dtype }] of tensors) {
    const expected = name.startsWith('model.') ? own.get(name.slice('model.'.length))?.dtype : dtype
    const known = /^(model|optimizer|random)\./.test(name)
    if (known && (expected === undefined || expected === dtype)) continue
    throw new SosError(
      'ERR_CHECKPOINT',
      known
        ? `expected a checkpoint of this model, whose '${name.slice('model.'.length)}' is ${expected}, but the checkpoint's is ${dtype}`
        : `expected a checkpoint of a training but it has a tensor '${name}'`,
    )
  }
}

/** The tensors whose names begin with a prefix, by their names without it. */
function under(prefix: string, tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(`${prefix}.`))
      .map(([name, tensor]) => [name.slice(prefix.length + 1), tensor]),
  )
}

/** The random number generators, by device, from which a model on `device` draws. */
function generatorsOf(device: string): string[] {
  return device.startsWith('cuda') && torch.cuda.isAvailable() ? ['cpu', device] : ['cpu']
}
