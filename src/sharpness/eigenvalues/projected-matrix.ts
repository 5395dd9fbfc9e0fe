import { type Tensor, torch } from '../../torch/index.js'

/** The symmetric matrix VᵀHV of a basis V, which grows by a row and a column for each product. */
export class ProjectedMatrix {
  #rows: Float64Array[] = []

  get size(): number {
    return this.#rows.length
  }

  /** Adds the row of vᵢᵀHv for the vectors so far, the new one last. */
  push(row: Float64Array): void {
    this.#rows.push(row)
  }

  /** Becomes the diagonal matrix of some values. */
  reset(values: readonly number[]): void {
    this.#rows = values.map((value, i) => {
      const row = new Float64Array(i + 1)
      row[i] = value
      return row
    })
  }

  /** float64 [size, size]. The caller disposes of it. */
  toTensor(): Tensor {
    const n = this.size
    const full = new Float64Array(n * n)
    this.#rows.forEach((row, i) => {
      for (let j = 0; j <= i; j++) full[i * n + j] = full[j * n + i] = row[j]!
    })
    using flat = torch.tensor(full)
    return flat.view([n, n])
  }

  /** Becomes what {@link toTensor} has written. */
  load(matrix: Tensor): void {
    const [n] = matrix.shape as [number]
    const full = matrix.toTypedArray() as Float64Array
    this.#rows = Array.from({ length: n }, (_, i) => full.slice(i * n, i * n + i + 1))
  }

  /** The eigenvalues, ascending, and the eigenvectors as columns, float64. */
  async eigen(): Promise<{ values: number[]; vectors: Tensor }> {
    using matrix = this.toTensor()
    const [values, vectors] = await torch.async.linalg_eigh(matrix)
    using ascending = values
    return { values: [...(ascending.toArray() as number[])], vectors }
  }
}
