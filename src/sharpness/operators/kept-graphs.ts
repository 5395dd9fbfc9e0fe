import { type Device, keepTensor, memoryStats, type Tensor, torch } from '../../torch/index.js'

/** The graph of gradients of a chunk of samples, which serves any number of products. */
export interface ChunkGraph {
  /** The tensors that the products need. They hold the graph; whoever asked for it frees them. */
  readonly tensors: readonly Tensor[]
  /**
   * The product of the chunk's matrix, a mean over its samples, with a vector.
   *
   * @param parts one tensor for each parameter, of its shape
   * @returns the same of the product; the caller disposes of them
   */
  multiply(parts: readonly Tensor[]): Promise<readonly Tensor[]>
}

/** A graph, and the samples that it belongs to. */
export interface KeptGraph {
  readonly graph: ChunkGraph
  /** How many samples of the chunk were loaded. */
  readonly loaded: number
  /** How many indices come before the chunk. */
  readonly start: number
  /** How many indices come before the next chunk: with those of corrupt images in this chunk. */
  readonly end: number
}

/**
 * The graphs of the first chunks of samples, as many as fit into a budget of memory.
 *
 * A graph's size is measured: how much more memory the tensors of the process take after it was made than before, on the device of the
 * model. What else the process allocates or frees meanwhile is measured too, so that a graph counts as at least as many bytes a sample as
 * the largest one before it.
 */
export class KeptGraphs {
  readonly #budget: number
  readonly #device: Device
  readonly #graphs: KeptGraph[] = []
  #bytes = 0
  #bytesPerSample = 0
  #isFull = false

  constructor(budget: number, device: Device) {
    this.#budget = budget
    this.#device = device
    this.#isFull = budget === 0
  }

  /** In the order of the chunks. */
  get graphs(): readonly KeptGraph[] {
    return this.#graphs
  }

  /** The bytes that the tensors of the process take, on the device. */
  allocated(): number {
    return this.#device.startsWith('cuda')
      ? torch.cuda.memoryAllocated(this.#device as 'cuda')
      : memoryStats().allocatedBytes
  }

  /**
   * Keeps the graph of the next chunk if it fits. After the first that does not fit none is kept. If its size could not be measured, another call
   * may try again.
   *
   * @param bytes how much more memory was in use after it was made
   */
  add(kept: KeptGraph, bytes: number): boolean {
    const { graph, loaded, start } = kept
    if (this.#isFull || start !== (this.#graphs.at(-1)?.end ?? 0)) return false
    this.#bytesPerSample = Math.max(this.#bytesPerSample, bytes / loaded)
    const size = this.#bytesPerSample * loaded
    // The garbage collector may have freed more meanwhile than the graph takes. Without our allocator of CPU memory nothing is measured.
    if (size <= 0) return false
    this.#isFull = this.#bytes + size > this.#budget
    if (this.#isFull) return false
    for (const tensor of graph.tensors) keepTensor(tensor)
    this.#graphs.push(kept)
    this.#bytes += size
    return true
  }

  [Symbol.dispose](): void {
    this.#isFull = true
    for (const { graph } of this.#graphs.splice(0)) free(graph)
  }
}

/** Frees a graph. */
export function free(graph: ChunkGraph): void {
  for (const tensor of graph.tensors) tensor.dispose()
}
