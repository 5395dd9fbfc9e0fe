import { checkNumbers, count, expectObject, nonNegative, SosError } from '../../base/index.js'
import type { Dataset, RunOptions } from '../../data/index.js'
import { checkIndices, expectDataset } from '../../data/internal.js'
import type { OutputKind, OutputOptions } from '../../model/index.js'
import { type PassBatch, pass } from '../../model/internal.js'
import {
  type Device,
  type DType,
  keepTensor,
  type ScriptModule,
  scope,
  type Tensor,
  torch,
} from '../../torch/index.js'
import { elementSize, expectModule } from '../../torch/internal.js'
import { fullPrecisionCopy, measuredDtype } from '../full-precision.js'
import { expectReach } from '../gradient-reach.js'
import { chosenParameters } from './chosen-parameters.js'
import type { Forward } from './differentiable-output.js'
import { type ChunkGraph, free, KeptGraphs } from './kept-graphs.js'
import type { SymmetricOperator } from './symmetric-operator.js'
import { WeightWatch } from './weight-watch.js'

/** How the products of an operator of a model are computed. */
export interface OperatorOptions extends RunOptions, OutputOptions {
  /** How many samples one forward takes. Default: 128. */
  chunk?: number
  /** What the model returns: `logits` or `probabilities`. Default: `logits`. */
  outputs?: OutputKind
  /**
   * The parameters that the operator is restricted to: a name or a pattern, in which `*` and `?` match within a part of a name and `**`
   * also matches dots, for example `layer4.**`. Default: all that require gradients.
   */
  parameters?: string
  /**
   * How many bytes of memory graphs of gradients may take between the calls of `apply`. As many chunks as fit keep theirs, which saves their
   * forward and first backward in each further call. A graph's size is measured when it is made. With 0 none is kept. Default: 2^31.
   */
  graphBytes?: number
}

/** A matrix of a model's loss over fixed samples, by its products. */
export interface ModelOperator extends SymmetricOperator {
  /** The names of the parameters that the rows of the matrix belong to, in their order. */
  readonly parameters: readonly string[]
  /**
   * The names of the parameters that are left out, apart from those that `parameters` excludes: they require no gradient, or none reaches
   * them. It is known once the operator was applied.
   */
  withoutGradient(): readonly string[]
  /** Frees the graphs that are kept. Without it they are freed with the operator. Applying it afterwards throws `ERR_DISPOSED`. */
  dispose(): void
  /** {@link dispose}, at the end of a `using`. */
  [Symbol.dispose](): void
}

/** A chunk of the samples. */
export interface Chunk extends Forward {
  readonly images: Tensor
  readonly labels: Tensor
  /** The indices of the samples in the dataset. */
  readonly indices: readonly number[]
  readonly parameters: readonly Tensor[]
}

/** What distinguishes one operator from another. */
export interface OperatorKind {
  /** The output of the model, or of a part of it, with its graph: the matrix depends on the parameters through it. */
  forward(chunk: Chunk): Promise<Tensor>
  /** What multiplies with the chunk's matrix, a mean over its samples. */
  graph(output: Tensor, chunk: Chunk): Promise<ChunkGraph>
}

const numbers = { chunk: count, graphBytes: nonNegative }

/** Makes an operator of a kind. The arguments and the errors are those of `hessian`. */
export function modelOperator(
  kind: OperatorKind,
  model: ScriptModule,
  dataset: Dataset,
  indices: readonly number[],
  options: OperatorOptions,
): ModelOperator {
  expectObject('options', options)
  expectModule('model', model)
  expectDataset('dataset', dataset)
  checkNumbers(options, numbers)
  checkIndices(dataset, indices)
  return new OperatorOfModel(kind, model, dataset, [...indices], options)
}

class OperatorOfModel implements ModelOperator {
  readonly parameters: readonly string[]
  readonly size: number
  readonly dtype: DType
  readonly #kind: OperatorKind
  readonly #model: ScriptModule
  readonly #dataset: Dataset
  readonly #indices: readonly number[]
  readonly #options: OperatorOptions
  readonly #device: Device
  readonly #sizes: readonly number[]
  readonly #watch: WeightWatch
  readonly #kept: KeptGraphs
  #measured: Measured | null = null
  #withoutGradient: readonly string[] | null = null
  #isDisposed = false
  /** The last call of `apply`. Calls run one after another, since they share the graphs. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    kind: OperatorKind,
    model: ScriptModule,
    dataset: Dataset,
    indices: readonly number[],
    options: OperatorOptions,
  ) {
    const chosen = scope(() => {
      const found = chosenParameters(model, options.parameters)
      return [...found].map(([name, parameter]) => [name, parameter.numel()] as const)
    })
    this.parameters = chosen.map(([name]) => name)
    this.#sizes = chosen.map(([, size]) => size)
    this.size = this.#sizes.reduce((a, b) => a + b, 0)
    this.dtype = measuredDtype(model)
    this.#kind = kind
    this.#model = model
    this.#dataset = dataset
    this.#indices = indices
    this.#options = options
    this.#device = options.device ?? model.device
    this.#kept = new KeptGraphs(options.graphBytes ?? 2 ** 31, this.#device)
    this.#watch = new WeightWatch(model)
  }

  withoutGradient(): readonly string[] {
    return this.#withoutGradient ?? []
  }

  apply(vectors: readonly Tensor[]): Promise<Tensor[]> {
    const own = this.#last.then(() => this.#apply(vectors))
    this.#last = own.catch(() => {})
    return own
  }

  dispose(): void {
    this.#isDisposed = true
    this.#kept[Symbol.dispose]()
    this.#watch[Symbol.dispose]()
    this.#measured?.copy?.dispose()
    for (const parameter of this.#measured?.parameters.values() ?? []) parameter.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  async #apply(vectors: readonly Tensor[]): Promise<Tensor[]> {
    this.#expectUsable()
    // Held in eval mode, and so that nobody writes to the weights meanwhile.
    using given = this.#model.view({ eval: true })
    this.#measured ??= await this.#measure(given)
    const { copy, parameters } = this.#measured
    using view = copy?.view({ eval: true })
    const products = vectors.map((vector) => torch.zeros_like(vector))
    const samples = await scope(() => this.#addTo(products, vectors, view ?? given, [...parameters.values()]))
    return products.map((product) => product.div_(samples))
  }

  /** Adds the products of all chunks, each times the number of its samples. Returns that number of all chunks. */
  async #addTo(
    products: readonly Tensor[],
    vectors: readonly Tensor[],
    model: ScriptModule,
    parameters: readonly Tensor[],
  ): Promise<number> {
    const { chunk = 128, onProgress, signal } = this.#options
    const parts = vectors.map((vector) => this.#split(vector, parameters))
    const total = this.#indices.length * vectors.length
    let [loaded, taken] = [0, 0]
    for (const kept of this.#kept.graphs) {
      loaded += kept.loaded
      for (const [i, product] of products.entries()) {
        signal?.throwIfAborted()
        await multiplyAdd(product, kept.graph, parts[i]!, kept.loaded)
        onProgress?.({ done: taken * vectors.length + (i + 1) * (kept.end - taken), total })
      }
      taken = kept.end
    }
    if (taken === this.#indices.length) return loaded
    const run = {
      ...{ chunk, device: this.#device, rounds: vectors.length, signal },
      // The earlier chunks are as those of an earlier run of the pass.
      ...(taken > 0 && { before: { loaded, skipped: taken - loaded } }),
      onProgress: ({ done, total }: { done: number; total: number }) => onProgress?.({ done, total }),
      onAllCorrupt: (skipped: readonly unknown[]) => {
        taken += skipped.length
      },
    }
    for await (const batch of pass(model, this.#dataset, this.#indices.slice(taken), run)) {
      const start = taken
      loaded += batch.indices.length
      taken += batch.indices.length + batch.skipped.length
      await scope(async () => {
        const { graph, isKept } = await this.#graphOf(batch, start, taken, model, parameters)
        for (const [i, product] of products.entries()) {
          signal?.throwIfAborted()
          await multiplyAdd(product, graph, parts[i]!, batch.indices.length)
          batch.roundDone()
        }
        if (!isKept) free(graph)
      })
    }
    this.#watch.noteBuffers()
    return loaded
  }

  /** The graph of a chunk, which is kept if there is room. */
  async #graphOf(
    batch: PassBatch,
    start: number,
    end: number,
    model: ScriptModule,
    parameters: readonly Tensor[],
  ): Promise<{ graph: ChunkGraph; isKept: boolean }> {
    const { images, labels, indices } = batch
    const forward = { model, dataset: this.#dataset, options: this.#options }
    const chunk = { ...forward, images, labels, indices, parameters }
    const before = this.#kept.allocated()
    const output = await this.#kind.forward(chunk)
    this.#withoutGradient ??= await expectReach(
      model,
      this.#measured!.parameters,
      output,
      this.#options.parameters,
    )
    const graph = await this.#kind.graph(output, chunk)
    const bytes = this.#kept.allocated() - before + images.numel() * elementSize(images.dtype)
    // A hook may do something else in each call.
    const isKept = !model.hooked && this.#kept.add({ graph, loaded: indices.length, start, end }, bytes)
    return { graph, isKept }
  }

  /** What is measured of the model: it, or its copy in full precision, with the parameters that are differentiated. */
  async #measure(model: ScriptModule): Promise<Measured> {
    const copy = await fullPrecisionCopy(model)
    const parameters = scope(() => {
      const chosen = chosenParameters(copy ?? this.#model, this.#options.parameters)
      for (const parameter of chosen.values()) keepTensor(parameter)
      return chosen
    })
    return { copy, parameters }
  }

  /** A vector as one tensor for each parameter. */
  #split(vector: Tensor, parameters: readonly Tensor[]): Tensor[] {
    return vector
      .to({ device: this.#device })
      .split_with_sizes([...this.#sizes])
      .map((part, i) => part.view(parameters[i]!.shape).to(parameters[i]!.dtype))
  }

  #expectUsable(): void {
    if (this.#isDisposed) {
      throw new SosError('ERR_DISPOSED', 'expected an operator that was not disposed of; make a new one')
    }
    this.#watch.expectUnchanged()
  }
}

/** What is measured of a model. */
interface Measured {
  /** The model's copy in full precision; null if the model itself is measured. */
  readonly copy: ScriptModule | null
  readonly parameters: ReadonlyMap<string, Tensor>
}

/** product += weight · (the graph's product with the parts). */
async function multiplyAdd(
  product: Tensor,
  graph: ChunkGraph,
  parts: readonly Tensor[],
  weight: number,
): Promise<void> {
  const products = await graph.multiply(parts)
  scope(() => {
    const flat = torch.cat(products.map((part) => part.detach().reshape([-1]).to(product.dtype)))
    product.add_(flat.to({ device: product.device }), { alpha: weight })
  })
  for (const part of products) part.dispose()
}
