import { count, SosError } from '../../base/index.js'
import { keepTensor, scope, type Tensor, torch } from '../../torch/index.js'

/**
 * Collects the class means μ_c and the within-class scatter Σ_i (h_i − μ_{y_i})(h_i − μ_{y_i})ᵀ of rows that come in
 * chunks, in float64. The memory is O(m² + Km), whatever the number of rows.
 *
 * Each chunk is centred on its own class means and then merged (Chan, Golub and LeVeque 1983). With n_c rows of a class
 * so far, k_c new ones and δ_c the difference of their means, the scatter grows by that of the chunk and by Σ_c n_c k_c
 * / (n_c + k_c) δ_c δ_cᵀ. Nothing is subtracted from a large sum, in which the small scatter of collapsed features
 * would be lost.
 *
 * @example
 * using scatter = new ClassScatter(2, 3)
 * await scatter.add(torch.tensor([[1, 0, 0], [3, 0, 0], [0, 5, 0]]), [0, 0, 1])
 * console.log(scatter.counts, scatter.means().toArray()) // → [ 2, 1 ] [ [ 2, 0, 0 ], [ 0, 5, 0 ] ]
 */
export class ClassScatter {
  /** K, the number of classes. */
  readonly classes: number
  /** m, the number of features. */
  readonly features: number
  #samples = 0
  readonly #counts: Tensor
  readonly #means: Tensor
  readonly #scatter: Tensor

  /**
   * @param classes K, the number of classes
   * @param features m, the number of features
   * @throws `ERR_INVALID_ARGUMENT` if one is not a whole number of at least 1
   */
  constructor(classes: number, features: number) {
    count('classes', classes)
    count('features', features)
    this.classes = classes
    this.features = features
    this.#counts = keepTensor(torch.zeros([classes], { dtype: 'float64' }))
    this.#means = keepTensor(torch.zeros([classes, features], { dtype: 'float64' }))
    this.#scatter = keepTensor(torch.zeros([features, features], { dtype: 'float64' }))
  }

  /** N, the number of rows added so far. */
  get samples(): number {
    return this.#samples
  }

  /** The number of rows of each class, in the order of the classes. */
  get counts(): readonly number[] {
    return this.#counts.toArray() as number[]
  }

  /**
   * Adds rows, off the event loop.
   *
   * @param rows [k, m], any floating-point dtype and device
   * @param labels the class of each row, [k]
   * @throws `ERR_SHAPE`; `ERR_LABELS` for a label that is not one of 0 … K − 1
   */
  async add(rows: Tensor, labels: ArrayLike<number>): Promise<void> {
    const { classes, features } = this
    await torch.noGrad(() =>
      scope(async () => {
        const block = rowsOf(rows, labels, features)
        const which = torch.tensor(labelsOf(labels, classes), { dtype: 'int64' })
        const ones = torch.ones([labels.length], { dtype: 'float64' })
        const counts = torch.zeros_like(this.#counts).index_add_(0, which, ones)
        const sums = torch.zeros_like(this.#means).index_add_(0, which, block)
        const means = sums.div(counts.clamp(1).unsqueeze(1))
        const centred = block.sub(means.index_select(0, which))
        const total = this.#counts.add(counts)
        const share = counts.div(total.clamp(1))
        const delta = means.sub(this.#means)
        const apart = delta.mul(this.#counts.mul(share).sqrt().unsqueeze(1))
        const parts = torch.cat([centred, apart])
        await torch.async.addmm_(this.#scatter, parts.t(), parts)
        this.#means.add_(delta.mul(share.unsqueeze(1)))
        this.#counts.copy_(total)
        this.#samples += labels.length
      }),
    )
  }

  /** μ_c as rows, float64 [K, m]; zeros for a class without rows. */
  means(): Tensor {
    return this.#means.clone()
  }

  /** Σ_W, the scatter divided by N, float64 [m, m]. */
  within(): Tensor {
    return this.#scatter.div(this.#samples)
  }

  /** Frees the sums. */
  dispose(): void {
    for (const tensor of [this.#counts, this.#means, this.#scatter]) tensor.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** The rows in float64 on the CPU. Throws `ERR_SHAPE`. */
export function rowsOf(rows: Tensor, labels: ArrayLike<number>, features: number): Tensor {
  if (rows.ndim === 2 && rows.shape[0] === labels.length && rows.shape[1] === features) {
    return rows.to({ device: 'cpu', dtype: 'float64' })
  }
  throw new SosError(
    'ERR_SHAPE',
    `expected rows [${labels.length}, ${features}], one for each label, but received [${rows.shape.join(', ')}]`,
  )
}

function labelsOf(labels: ArrayLike<number>, classes: number): number[] {
  const list = Array.from(labels)
  const wrong = list.find((label) => !Number.isInteger(label) || label < 0 || label >= classes)
  if (wrong === undefined) return list
  throw new SosError(
    'ERR_LABELS',
    `expected labels from 0 to ${classes - 1}, of the classifier's ${classes} outputs, but received ${wrong}: is this its dataset?`,
  )
}
