import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { crc32 } from 'node:zlib'
import { z } from 'zod'

import { clipped, expectWritable, FileLock, SosError } from '../../base/index.js'
import { readSafetensors, scope, type Tensor, writeSafetensors } from '../../torch/index.js'
import { epsilon } from '../../torch/internal.js'
import type { SymmetricOperator } from '../operators/symmetric-operator.js'
import type { Lanczos } from './lanczos.js'

/** What must be equal in a continuation, so that it ends with the same bits. */
export interface EigenvalueIdentity {
  readonly size: number
  readonly dtype: string
  readonly count: number
  readonly end: string
  readonly basisSize: number
  readonly basisDtype: string
  readonly seed: number
}

/** Where the loop of `topEigenvalues` is. */
export interface EigenvalueProgress {
  readonly products: number
  /** Whether the values were looked at since the last product. */
  readonly looked: boolean
  /** The wanted values when the basis was last closed under the operator. */
  readonly closedWith: readonly number[] | null
}

const names = ['vectors', 'products', 'matrix', 'generator', 'firstProduct'] as const
const key = 'sos.eigenvalues'

const schema = z.object({
  version: z.literal(1),
  identity: z.record(z.string(), z.union([z.string(), z.number()])),
  progress: z.object({
    products: z.int().positive(),
    looked: z.boolean(),
    closedWith: z.array(z.number()).nullable(),
  }),
  remainder: z.number(),
  scale: z.number(),
  checksum: z.int(),
})

/**
 * The file from which a computation of eigenvalues continues. It is a safetensors file with the basis, its products, the projected matrix and a
 * product of the operator by which it is recognised. It is written atomically, and locked while it is open.
 */
export class EigenvalueFile implements Disposable {
  readonly #path: string
  readonly #identity: EigenvalueIdentity
  readonly #lock: FileLock
  #firstProduct: Tensor | null = null
  #savedAt = performance.now()
  #savingTook = 0

  private constructor(path: string, identity: EigenvalueIdentity) {
    this.#path = path
    this.#identity = identity
    this.#lock = new FileLock(resolve(path))
  }

  /** @throws `ERR_OUTPUT` if the file cannot be written; `ERR_LOCKED` if another computation uses it */
  static async open(path: string, identity: EigenvalueIdentity): Promise<EigenvalueFile> {
    await expectWritable(path)
    return new EigenvalueFile(path, identity)
  }

  /** Keeps the product with the first vector, by which the operator is recognised. */
  noteFirstProduct(product: Tensor): void {
    this.#firstProduct = product
  }

  /**
   * Goes on from the file, if it is there. It takes a product, to recognise the operator.
   *
   * @throws `ERR_DAMAGED_FILE`; `ERR_RECORD` if the state belongs to another operator or to other options
   */
  async restore(operator: SymmetricOperator, lanczos: Lanczos): Promise<EigenvalueProgress | null> {
    if (!existsSync(this.#path)) return null
    const { tensors, metadata } = await readSafetensors(this.#path)
    try {
      const { remainder, scale, progress } = this.#expectOwn(tensors, metadata)
      await this.#expectOperator(operator, lanczos, tensors.get('firstProduct')!)
      const of = (name: string) => tensors.get(name)!
      lanczos.restore({
        ...{ vectors: of('vectors'), products: of('products'), matrix: of('matrix') },
        ...{ generator: of('generator'), remainder, scale },
      })
      this.#firstProduct = of('firstProduct')
      tensors.delete('firstProduct')
      return progress
    } finally {
      for (const tensor of tensors.values()) tensor.dispose()
    }
  }

  /** Saves if the last save is long enough ago: saving takes at most about a twentieth of the time. */
  async saveNowAndThen(lanczos: Lanczos, progress: EigenvalueProgress): Promise<void> {
    const since = performance.now() - this.#savedAt
    if (since >= Math.max(1000, 20 * this.#savingTook)) await this.save(lanczos, progress)
  }

  async save(lanczos: Lanczos, progress: EigenvalueProgress): Promise<void> {
    const began = performance.now()
    const { remainder, scale, ...state } = lanczos.state()
    const tensors = new Map(Object.entries({ ...state, firstProduct: this.#firstProduct! }))
    try {
      const described = { version: 1, identity: this.#identity, progress, remainder, scale }
      const text = JSON.stringify({ ...described, checksum: checksumOf(tensors) })
      await writeSafetensors(this.#path, tensors, { [key]: text })
    } finally {
      for (const name of Object.keys(state)) tensors.get(name)!.dispose()
    }
    this.#savedAt = performance.now()
    this.#savingTook = this.#savedAt - began
  }

  [Symbol.dispose](): void {
    this.#firstProduct?.dispose()
    this.#lock.release()
  }

  #expectOwn(tensors: ReadonlyMap<string, Tensor>, metadata: Readonly<Record<string, string>>) {
    const described = parse(metadata[key])
    if (described === null)
      throw new SosError(
        'ERR_RECORD',
        `${this.#path}: expected the state of a computation of eigenvalues but it is another file; name a file that does not exist yet`,
      )
    const { identity, progress, ...rest } = described
    const differing = Object.entries(this.#identity).filter(([name, value]) => identity[name] !== value)
    if (differing.length > 0) {
      const list = differing.map(([name, value]) => `${name} ${value} (it has ${identity[name]})`)
      throw new SosError(
        'ERR_RECORD',
        `${this.#path}: expected a state of eigenvalues with ${clipped(list.join(', '), 200)}; use the same operator and options, or name another file`,
      )
    }
    const { size, dtype, basisSize, basisDtype } = this.#identity
    const rows = tensors.get('matrix')?.shape[0] ?? -1
    const shapes = {
      ...{ vectors: [[rows + 1, size], basisDtype], products: [[rows, size], basisDtype] },
      ...{ matrix: [[rows, rows], 'float64'], firstProduct: [[size], dtype] },
    }
    const fits =
      names.every((name) => tensors.has(name)) &&
      rows <= basisSize &&
      Object.entries(shapes).every(([name, shape]) => {
        const tensor = tensors.get(name)!
        return isDeepStrictEqual([tensor.shape, tensor.dtype], shape)
      })
    if (!fits || checksumOf(tensors) !== rest.checksum)
      throw new SosError(
        'ERR_DAMAGED_FILE',
        `${this.#path}: the state of the eigenvalues is damaged: its tensors are not those that were written; delete it and begin again`,
      )
    return { progress, ...rest }
  }

  /** The first vector depends on the seed alone. */
  async #expectOperator(operator: SymmetricOperator, lanczos: Lanczos, expected: Tensor): Promise<void> {
    using vector = lanczos.firstVector()
    const [product] = await operator.apply([vector])
    using own = product!
    const isSame = scope(() => {
      const [a, b] = [own.to('float64'), expected.to('float64')]
      const norm = (tensor: Tensor) => tensor.square().sum().sqrt().item()
      // Another number of threads, or another machine, rounds differently.
      return norm(a.sub(b)) <= Math.sqrt(epsilon(operator.dtype)) * norm(b)
    })
    if (isSame) return
    throw new SosError(
      'ERR_RECORD',
      `${this.#path}: the state of the eigenvalues belongs to another operator: its product with the same vector differs; use the same model, samples and options, or name another file`,
    )
  }
}

function parse(text: string | undefined): z.infer<typeof schema> | null {
  try {
    return schema.parse(JSON.parse(text ?? ''))
  } catch {
    return null
  }
}

/** Of all elements, row by row, so that no copy of the whole is made. */
function checksumOf(tensors: ReadonlyMap<string, Tensor>): number {
  let sum = 0
  for (const name of names) {
    const tensor = tensors.get(name)!
    const rows = tensor.ndim === 2 ? tensor.shape[0]! : 1
    for (let i = 0; i < rows; i++) {
      scope(() => {
        const row = tensor.ndim === 2 ? tensor.select(0, i) : tensor
        sum = crc32(row.contiguous().toBuffer(), sum)
      })
    }
  }
  return sum
}
