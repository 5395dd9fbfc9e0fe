import { type Tensor, torch } from '../../torch/index.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'

/** The products of an operator with the rows of a matrix, as rows. The caller disposes of it. */
export async function applyToRows(operator: SymmetricOperator, rows: Tensor): Promise<Tensor> {
  const products = await operator.apply(rows.unbind(0))
  const all = torch.stack(products)
  for (const product of products) product.dispose()
  return all
}
