import { nearest, SosError } from '../../base/index.js'

/** The error for a path at which there is no submodule. It suggests the nearest paths. */
export function noSuchModule(path: string, paths: readonly string[]): SosError {
  const near = nearest(path, paths)
  const hint = near.length > 0 ? `did you mean ${near.map((name) => `'${name}'`).join(', ')}?` : ''
  return new SosError(
    'ERR_NO_SUCH_MODULE',
    `expected the path of a submodule but there is no '${String(path)}'; ${hint || '`sos inspect` lists all paths'}`,
  )
}

/** The error for something that a frozen module cannot do. `problem` continues "a frozen module …". */
export function frozenModule(path: string, problem: string): SosError {
  return new SosError(
    'ERR_FROZEN',
    `${path}: a frozen module ${problem}; export the model again without torch.jit.freeze`,
  )
}
