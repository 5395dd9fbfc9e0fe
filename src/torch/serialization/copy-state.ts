import { clipped, SosError } from '../../base/index.js'
import { noGrad } from '../context/context.js'
import { binding } from '../native/binding.js'
import { handleOf, Tensor } from '../tensor/tensor.js'

/** The names that did not match when a state dict was loaded. */
export interface LoadResult {
  /** Names that the module has and the state dict does not have. */
  missingKeys: string[]
  /** Names that the state dict has and the module does not have. */
  unexpectedKeys: string[]
}

/**
 * Orders the parameters and buffers of a module as Python's `state_dict` does: module by module, the parameters of each before its buffers.
 * The result is detached from gradients; the tensors that are passed in are disposed of.
 *
 * @param paths the paths of the modules, '' for the root first, in the order of their registration
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
 * Copies tensors in place into those of the same names, as PyTorch's `load_state_dict`. Dtype and device are converted, and a tensor with one
 * element may be copied into a scalar. All are checked before the first is written.
 *
 * `num_batches_tracked`, which batch norms have since PyTorch 0.4.1, may be missing, as for eager modules in PyTorch. It stays unchanged then.
 *
 * @throws `ERR_DTYPE` for a complex tensor when the module's is real, since the imaginary part would be lost; `ERR_STATE_DICT_MISMATCH`, with
 *   one message for all missing and unexpected names (if `strict`) and wrong shapes
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

/** A hint for names that all have a prefix too much or too little, such as those of DataParallel and torch.compile. */
function prefixHint(missing: readonly string[], unexpected: readonly string[]): string {
  if (missing.length === 0 || unexpected.length === 0) return ''
  const names = new Set(unexpected)
  const fits = (prefix: string) => missing.every((name) => names.has(prefix + name))
  const longer = unexpected.find((name) => name.endsWith(missing[0]!))
  const more = longer === undefined ? '' : longer.slice(0, -missing[0]!.length)
  if (more !== '' && fits(more)) {
    return `, whose names do not begin with '${more}'; remove the prefix: loadStateDict(FILE, { stripPrefix: '${more}' })`
  }
  const less = missing[0]!.endsWith(unexpected[0]!) ? missing[0]!.slice(0, -unexpected[0]!.length) : ''
  const wanted = new Set(missing)
  if (less !== '' && unexpected.every((name) => wanted.has(less + name))) {
    return `, whose names begin with '${less}'; add the prefix: new Map([...state].map(([name, tensor]) => ['${less}' + name, tensor]))`
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
