import type { Dataset } from '../../data/index.js'
import { type ScriptModule, scope, type Tensor, torch } from '../../torch/index.js'
import { differentiableOutput, logitsIn } from './differentiable-output.js'
import type { ChunkGraph } from './kept-graphs.js'
import {
  type Chunk,
  type ModelOperator,
  modelOperator,
  type OperatorKind,
  type OperatorOptions,
} from './model-operator.js'

/**
 * Makes the generalised Gauss-Newton matrix of the mean cross-entropy over fixed samples, as an operator:
 *
 *     G = Σ_i J_iᵀ (diag p_i − p_i p_iᵀ) J_i / N,
 *
 * with the Jacobian J_i of sample i's logits and their softmax p_i. It is the Hessian without the part that comes from the curvature of
 * the network itself ({@link residualHessian}), is positive semidefinite, and does not depend on the labels. A product takes two backwards
 * of a chunk, which are shorter than those of the Hessian: Jv by differentiating uᵀJ with respect to u, then Jᵀ of the result.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options what the model returns, which parameters, and how to run
 * @returns the operator: its size, its dtype and its products
 * @throws as `hessian`, and so does `apply`
 * @example
 * using operator = gaussNewton(model, train, [0, 1, 2, 3])
 * const { eigenvalues } = await topEigenvalues(operator, { count: 1, maxProducts: 4 })
 * console.log(eigenvalues[0]!.value > 0) // → true
 */
export function gaussNewton(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: OperatorOptions = {},
): ModelOperator {
  return modelOperator(kindOf(covariance), model, dataset, indices, options)
}

/**
 * Makes Fisher's information matrix of the model's distribution p(y|x) over the classes, as an operator:
 *
 *     F = Σ_i E_{y ~ p_i}[∇log p_i(y) ∇log p_i(y)ᵀ] / N.
 *
 * For a softmax of logits the expectation can be taken exactly and gives the generalised Gauss-Newton matrix (Martens 2020), so that this is
 * {@link gaussNewton} under its other name: no label is drawn. With the labels of the dataset in the place of y it is
 * {@link empiricalFisher}, which is another matrix.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options what the model returns, which parameters, and how to run
 * @returns the operator: its size, its dtype and its products
 * @throws as `hessian`, and so does `apply`
 * @example
 * using operator = fisher(model, train, [0, 1, 2, 3], { parameters: 'fc.*' })
 * console.log((await hutchinsonTrace(operator, { probes: 2, seed: 0 })).trace > 0) // → true
 */
export function fisher(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: OperatorOptions = {},
): ModelOperator {
  return gaussNewton(model, dataset, indices, options)
}

/**
 * Makes the empirical Fisher matrix, the uncentred covariance of the samples' gradients at their labels, as an operator:
 *
 *     E = Σ_i g_i g_iᵀ / N,    g_i = ∇ of the cross-entropy of sample i = J_iᵀ(p_i − y_i).
 *
 * Its rank is at most the number of samples. Near a minimum with small residuals p − y it is much smaller than Fisher's matrix, and its
 * eigenvectors are others (Kunstner, Balles and Hennig 2019). It is computed as {@link gaussNewton}, with (p − y)(p − y)ᵀ in the middle; no
 * gradient of a single sample is made.
 *
 * @param model a classifier; it is not changed
 * @param dataset the dataset of the samples
 * @param indices the samples' indices in the dataset
 * @param options what the model returns, which parameters, and how to run
 * @returns the operator: its size, its dtype and its products
 * @throws as `hessian`, and so does `apply`
 * @example
 * using operator = empiricalFisher(model, train, [0, 1, 2, 3])
 * const { trace } = await hutchinsonTrace(operator, { probes: 2, seed: 0 })
 * console.log(trace >= 0) // → true
 */
export function empiricalFisher(
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: OperatorOptions = {},
): ModelOperator {
  return modelOperator(kindOf(squaredResidual), model, dataset, indices, options)
}

/** Multiplies each row [n, K] with the matrix of its sample, of the softmax and the residual in the same row. */
type Middle = (rows: Tensor, p: Tensor, residual: Tensor) => Tensor

/** (diag p − ppᵀ)x */
const covariance: Middle = (rows, p) => {
  const scaled = p.mul(rows)
  return scaled.sub(p.mul(scaled.sum([1], true)))
}

/** rrᵀx */
const squaredResidual: Middle = (rows, _, residual) => residual.mul(residual.mul(rows).sum([1], true))

/** Operators Σ J_iᵀM_iJ_i/N. */
function kindOf(middle: Middle): OperatorKind {
  return {
    forward: (chunk) => differentiableOutput(chunk, chunk.images),
    async graph(output, chunk) {
      const logits = logitsIn(output, chunk)
      const { p, residual } = softmaxOf(logits, chunk.labels)
      const count = chunk.indices.length
      const graph = await jacobianGraph(logits, chunk, (rows) =>
        middle(rows.to('float64'), p, residual).div(count),
      )
      return { ...graph, tensors: [...graph.tensors, p, residual] }
    },
  }
}

/** The softmax p of logits and p − y, float64. */
export function softmaxOf(logits: Tensor, labels: Tensor): { p: Tensor; residual: Tensor } {
  const p = torch.softmax(logits.detach().to({ dtype: 'float64' }), 1)
  const y = torch.zeros_like(p).scatter_(1, labels.unsqueeze(1), 1)
  return { p, residual: p.sub(y) }
}

/** The graph of JᵀMJ, where `middle` multiplies the rows of Jv with M. */
async function jacobianGraph(
  logits: Tensor,
  { parameters }: Chunk,
  middle: (rows: Tensor) => Tensor,
): Promise<ChunkGraph> {
  // uᵀJ is linear in u, so that its derivative in the direction v is Jv, whatever u is.
  const u = torch.zeros_like(logits.detach()).requires_grad_()
  const pulled = await torch.autograd.grad([logits], parameters, {
    gradOutputs: [u],
    createGraph: true,
    allowUnused: true,
  })
  const linear = pulled.flatMap((tensor, i) => (tensor?.requiresGrad ? [{ tensor, i }] : []))
  return {
    tensors: [logits, u, ...pulled.filter((tensor) => tensor !== null)],
    async multiply(parts) {
      const w = await scope(async () => {
        const [rows] = await torch.autograd.grad(
          linear.map(({ tensor }) => tensor),
          [u],
          { gradOutputs: linear.map(({ i }) => parts[i]!), retainGraph: true },
        )
        return middle(rows!).to(logits.dtype)
      })
      using own = w
      const products = await torch.autograd.grad([logits], parameters, {
        gradOutputs: [own],
        retainGraph: true,
        allowUnused: true,
      })
      return products.map((product, i) => product ?? torch.zeros_like(parameters[i]!))
    },
  }
}
