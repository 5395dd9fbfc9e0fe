import { clipped, SosError } from '../../base/index.js'
import { noGrad } from '../context/context.js'
import { binding } from '../native/binding.js'
import { handleOf, Tensor } from '../tensor/tensor.js'

/** What did not fit when a state dict was loaded without `strict`. */
export interface LoadResult {
  /** Names that the module has and the state dict does not. */
  missingKeys: string[]
  unexpectedKeys: string[]
}

/**
 * Parameters and buffers of a module in the order of Python's `state_dict`: module by module, the parameters of each before
 * its buffers. They are detached, and those passed in disposed of.
 *
 * @param paths of the modules, the root's '' first, in the order of their registration
 */
export function collectState(
  paths: readonly string[],
  parameters: ReadonlyMap<string, Tensor>,
  buffers: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  const byModule = new Map(paths.map((path) => [path, [] as [string, Tensor][]]))
  for (const [name, tensor] of [...parameters, ...buffers]) {
    const detached = tensor.detach()
    tensor.dispose()
    byModule.get(name.slice(0, Math.max(0, name.lastIndexOf('.'))))!.push([name, detached])
  }
  return new Map([...byModule.values()].flat())
}

/**
 * Copies tensors into those of the same names, as PyTorch's `load_state_dict`: in place, converting dtype and device, a
 * tensor of one element into a scalar too. All are checked before the first is written.
 *
 * `num_batches_tracked`, which batch norms have since PyTorch 0.4.1, may be missing, as for eager modules in PyTorch: it is left.
 *
 * @throws `ERR_DTYPE` for a complex tensor where the module's is real, whose imaginary part would be lost;
 *   `ERR_STATE_DICT_MISMATCH`, in one message, for missing and unexpected names (where `strict`) and for shapes
 */
export function copyStateDict(
  into: ReadonlyMap<string, Tensor>,
  from: ReadonlyMap<string, Tensor>,
  strict: boolean,
  moduleType: string,
): LoadResult {
  const missingKeys = [...into.keys()].filter((name) => !from.has(name) && !isBatchCount(name, into))
  const unexpectedKeys = [...from.keys()].filter((name) => !into.has(name))
  const problems: string[] = []
  if (strict && unexpectedKeys.length > 0)
    problems.push(`Unexpected key(s) in state_dict: ${quoted(unexpectedKeys)}.`)
  if (strict && missingKeys.length > 0) problems.push(`Missing key(s) in state_dict: ${quoted(missingKeys)}.`)
  const copies: [into: Tensor, from: Tensor][] = []
  for (const [name, target] of into) {
    const value = from.get(name)
    if (value === undefined) continue
    if (!(value instanceof Tensor)) {
      throw new SosError(
        'ERR_INVALID_ARGUMENT',
        `expected a tensor for '${name}' but received a ${typeof value}`,
      )
    }
    if (isComplex(value.dtype) && !isComplex(target.dtype)) {
      throw new SosError(
        'ERR_DTYPE',
        `expected real numbers for '${name}', which is ${target.dtype}, but the state dict has ${value.dtype}: the imaginary parts would be lost`,
      )
    }
    const scalar = target.shape.length === 0 && value.shape.length === 1 && value.shape[0] === 1
    if (scalar || String(value.shape) === String(target.shape)) {
      copies.push([target, value])
    } else {
      problems.push(
        `size mismatch for ${name}: copying a param with shape [${value.shape.join(', ')}] from checkpoint, the shape in current model is [${target.shape.join(', ')}].`,
      )
    }
  }
  if (problems.length > 0) {
    throw new SosError(
      'ERR_STATE_DICT_MISMATCH',
      `the state dict does not fit ${moduleType}${prefixHint(missingKeys, unexpectedKeys)}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    )
  }
  for (const [target] of copies) binding.refuseWrite(handleOf(target), 'loadStateDict')
  noGrad(() => {
    for (const [target, value] of copies) copy(target, value)
  })
  return { missingKeys, unexpectedKeys }
}

const isComplex = (dtype: string): boolean => dtype.startsWith('complex')

/** Names the words in front of all names that are too much, or are missing, as DataParallel and torch.compile put them there. */
function prefixHint(missing: readonly string[], unexpected: readonly string[]): string {
  if (missing.length === 0 || unexpected.length === 0) return ''
  const names = new Set(unexpected)
  const fits = (prefix: string) => missing.every((name) => names.has(prefix + name))
  const more = unexpected[0]!.endsWith(missing[0]!) ? unexpected[0]!.slice(0, -missing[0]!.length) : ''
  if (more !== '' && fits(more)) {
    return `, whose names have no '${more}' in front; take it off: new Map([...state].map(([name, tensor]) => [name.slice(${more.length}), tensor]))`
  }
  const less = missing[0]!.endsWith(unexpected[0]!) ? missing[0]!.slice(0, -unexpected[0]!.length) : ''
  const wanted = new Set(missing)
  if (less !== '' && unexpected.every((name) => wanted.has(less + name))) {
    return `, whose names have '${less}' in front; put it there: new Map([...state].map(([name, tensor]) => ['${less}' + name, tensor]))`
  }
  return ''
}

function copy(target: Tensor, value: Tensor): void {
  const shaped = value.shape.length === target.shape.length ? value : value.squeeze()
  target.copy_(shaped)
  if (shaped !== value) shaped.dispose()
}

function isBatchCount(name: string, into: ReadonlyMap<string, Tensor>): boolean {
  return (
    /(^|\.)num_batches_tracked$/.test(name) && into.has(name.replace(/num_batches_tracked$/, 'running_mean'))
  )
}

function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 100).map((name) => `"${clipped(name, 200)}"`)
  return `${shown.join(', ')}${names.length > shown.length ? ` and ${names.length - shown.length} more` : ''}`
}
