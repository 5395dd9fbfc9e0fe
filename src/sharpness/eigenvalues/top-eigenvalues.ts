import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import { roomForRows } from './basis-memory.js'
import { EigenvalueFile } from './eigenvalue-file.js'
import { type EigenvalueOptions, settingsOf } from './eigenvalue-options.js'
import { EigenvalueSearch, type Eigenvalues } from './eigenvalue-search.js'
import { KrylovBasis } from './krylov-basis.js'
import { Lanczos } from './lanczos.js'

/**
 * Computes eigenvalues at an end of the spectrum of a symmetric operator, by Lanczos's method with full reorthogonalisation and thick
 * restarts (Wu and Simon 2000). The start vector is random, so each distinct eigenvalue has a part in it; one that is there several
 * times may be found once, unless the space of the products closes.
 *
 * Each value comes with the residual of its vector. That of the recurrence falls to zero although rounding does not, so the residual is
 * taken from the products themselves.
 *
 * @param operator for example `hessian(model, dataset, indices)`
 * @param options how many eigenvalues, of which end, and when to stop
 * @returns the eigenvalues with their residuals, and how many products they took
 * @throws `ERR_INVALID_ARGUMENT` for invalid options; `ERR_NOT_FINITE` if a product is NaN or infinite; `ERR_OUTPUT` if a file cannot be
 *   written; for the file to resume from, `ERR_RECORD` if it belongs to another operator or other options, `ERR_DAMAGED_FILE`, and `ERR_LOCKED`
 *   if another computation uses it; what the operator throws
 * @example
 * const diagonal = torch.tensor([1, 2, 3, 10], { dtype: 'float64' })
 * const operator = { size: 4, dtype: 'float64', apply: async (vectors: readonly Tensor[]) => vectors.map((v) => v.mul(diagonal)) } as const
 * const { eigenvalues } = await topEigenvalues(operator, { count: 2 })
 * console.log(eigenvalues.map(({ value }) => value.toFixed(6)).join(' ')) // → 10.000000 3.000000
 */
export async function topEigenvalues(
  operator: SymmetricOperator,
  options: EigenvalueOptions = {},
): Promise<Eigenvalues> {
  const settings = settingsOf(operator, options)
  const { size, dtype } = operator
  const { count, end, basisSize, basisDtype, basisFolder, seed, resume } = settings
  const vectors = await roomForRows(basisSize + 1, size, basisDtype, basisFolder)
  const room = await roomForRows(basisSize + 1, size, basisDtype, basisFolder)
  using lanczos = new Lanczos(operator, new KrylovBasis(vectors, room), seed)
  if (resume === null) return await new EigenvalueSearch(operator, lanczos, settings, null).run()
  const identity = { size, dtype, count, end, basisSize, basisDtype, seed }
  using file = await EigenvalueFile.open(resume, identity)
  const search = new EigenvalueSearch(operator, lanczos, settings, file)
  const progress = await file.restore(operator, lanczos)
  if (progress !== null) search.goOnFrom(progress)
  return await search.run()
}
