import type { OutputItem } from '../../model/index.js'
import { forwardLogits, WeightReads } from '../../model/internal.js'
import { type HookHandle, type ScriptModule, scope, Tensor, torch } from '../../torch/index.js'

import { Memory, type SquaredNorms } from './layer-rules.js'
import { type RuledLayer, ruledLayers } from './ruled-layers.js'

/** The bytes of windows that are kept while the gradients of a chunk are computed. */
const keptBytes = 2 ** 29

/** A forward whose gradients are wanted. */
export interface Recorded {
  readonly output: Tensor
  /** The inputs of the submodule whose inputs are watched, if one is. */
  readonly watched: readonly Tensor[]
}

/**
 * The squared norms of single images' gradients with respect to parameters. If a layer has a rule, its norm follows from its input and
 * the gradient at its output, for all images of a chunk together. The other parameters need ordinary gradients, one image at a time.
 */
export class ImageGradients {
  /** What the norms are told apart by: paths of layers, in the order of the model's parameters. */
  readonly groups: readonly string[]
  /** The names of the parameters without a rule. If there are any, a chunk must be one image. */
  readonly others: readonly string[]
  readonly #model: ScriptModule
  readonly #counted: ReadonlyMap<string, Tensor>
  readonly #layers: readonly RuledLayer[]
  readonly #hooks: HookHandle[] = []
  readonly #groupOf: ReadonlyMap<string, number>
  readonly #inputs = new Map<string, Tensor>()
  readonly #outputs = new Map<string, Tensor>()
  /** The paths of layers that were called more than once in the last forward. */
  readonly #repeated = new Set<string>()
  #watched: Tensor[] = []
  #prepared: (SquaredNorms | null)[] = []

  /**
   * @param model a view in eval mode; its hooks are those of this object
   * @param counted the parameters that count, by name
   * @param options.rules false leaves all parameters to ordinary gradients
   * @param options.watch the path of a submodule whose inputs are wanted
   */
  constructor(
    model: ScriptModule,
    counted: ReadonlyMap<string, Tensor>,
    options: { rules: boolean; watch?: string },
  ) {
    this.#model = model
    this.#counted = counted
    const reads = new WeightReads(model)
    this.#layers = options.rules ? ruledLayers(model, counted, reads) : []
    const ruled = new Set(this.#layers.flatMap(({ names }) => names))
    // What eval mode never reads, such as an auxiliary head, has no gradient. `doubt` would notice if it had one.
    const matters = (name: string) => !ruled.has(name) && (!options.rules || reads.isRead(name))
    this.others = [...counted.keys()].filter(matters)
    const paths = [...new Set([...counted.keys()].map(ownerOf))]
    this.groups = paths
    this.#groupOf = new Map(paths.map((path, i) => [path, i]))
    const { watch } = options
    if (watch !== undefined) {
      this.#hooks.push(
        model.registerForwardPreHook(watch, ({ inputs: [input] }) => {
          if (input instanceof Tensor) this.#watched.push(input)
        }),
      )
    }
    for (const { path } of this.#layers) this.#listen(path)
  }

  /** Runs the model with its graph. The caller is in a scope, which frees what is kept for {@link squares}. */
  async forward(images: Tensor, item: OutputItem | undefined): Promise<Recorded> {
    for (const heard of [this.#inputs, this.#outputs, this.#repeated]) heard.clear()
    this.#watched = []
    const output = await torch.enableGrad(() => forwardLogits(this.#model, images, item))
    return { output, watched: this.#watched }
  }

  /** Takes what the rules need of the last forward, for so many gradients. */
  prepare(gradients: number): void {
    const memory = new Memory(keptBytes)
    this.#prepared = this.#layers.map(({ path, rule }) => {
      const [input, output] = [this.#inputs.get(path), this.#outputs.get(path)]
      return input && output ? rule.prepare(input.detach(), output.detach(), gradients, memory) : null
    })
  }

  /**
   * The squared norms of J_iᵀv_i for the images i of the last forward, [images, groups] in float64.
   *
   * @param target a tensor of the graph whose rows belong to the images
   * @param vectors v_i, in the shape of the target
   * @param isLast whether the graph is freed
   */
  async squares(target: Tensor, vectors: Tensor, isLast: boolean): Promise<Tensor> {
    const images = target.shape[0]!
    const sums = torch.zeros([this.groups.length, images], { dtype: 'float64', device: target.device })
    await scope(async () => {
      const outputs = this.#layers.map(({ path }) => this.#outputs.get(path) ?? null)
      const heard = this.#layers.flatMap((layer, i) => (outputs[i] ? [{ layer, i, output: outputs[i] }] : []))
      const gradients = await torch.autograd.grad(
        [target],
        [...heard.map(({ output }) => output), ...this.others.map((name) => this.#counted.get(name)!)],
        {
          gradOutputs: [vectors.to({ dtype: target.dtype }).contiguous()],
          retainGraph: !isLast,
          allowUnused: true,
        },
      )
      for (const [k, { layer, i }] of heard.entries()) {
        const gradient = gradients[k]
        if (gradient) this.#add(sums, layer.path, this.#prepared[i]!(gradient))
      }
      for (const [k, name] of this.others.entries()) {
        const gradient = gradients[heard.length + k]
        if (gradient) this.#add(sums, ownerOf(name), squaredLength(gradient))
      }
    })
    return sums.t()
  }

  /**
   * Compares the rules with ordinary gradients, for the first and the last image of the last forward.
   *
   * @returns why the rules do not hold for this model, or null if they do
   */
  async doubt(target: Tensor): Promise<string | null> {
    const images = target.shape[0]!
    const generator = new torch.Generator(0)
    const random = torch.randn([...target.shape], { generator, dtype: 'float64' })
    const vectors = random.to({ device: target.device })
    for (const { path } of this.#layers) {
      const [input, output] = [this.#inputs.get(path), this.#outputs.get(path)]
      if (this.#repeated.has(path)) return `'${path}' is called more than once`
      const isByImage = [input, output].every((one) => one === undefined || one.shape[0] === images)
      if (!isByImage) return `'${path}' does not get one row for each image`
    }
    this.prepare(1)
    const ours = await this.squares(target, vectors, false)
    const tolerance = target.dtype === 'float64' ? 1e-8 : 1e-3
    for (const image of new Set([0, images - 1])) {
      const wrong = await scope(async () => {
        const own = torch.zeros_like(vectors)
        own.select(0, image).copy_(vectors.select(0, image))
        const gradients = await torch.autograd.grad([target], [...this.#counted.values()], {
          gradOutputs: [own.to({ dtype: target.dtype })],
          retainGraph: true,
          allowUnused: true,
        })
        const expected = new Float64Array(this.groups.length)
        for (const [k, name] of [...this.#counted.keys()].entries()) {
          const gradient = gradients[k]
          if (gradient) expected[this.#groupOf.get(ownerOf(name))!]! += squaredLength(gradient).item()
        }
        const found = ours.select(0, image).toTypedArray() as Float64Array
        const scale = expected.reduce((a, b) => a + b, 0)
        // A gradient that is not finite is reported as such, later.
        return this.groups.find((_, k) => Math.abs(found[k]! - expected[k]!) > tolerance * scale)
      })
      if (wrong !== undefined) return `'${wrong}' mixes images, or does more than its graph shows`
    }
    return null
  }

  [Symbol.dispose](): void {
    for (const hook of this.#hooks) hook.remove()
  }

  #listen(path: string): void {
    this.#hooks.push(
      this.#model.registerForwardPreHook(path, ({ inputs: [input] }) => {
        if (this.#inputs.has(path)) this.#repeated.add(path)
        if (input instanceof Tensor) this.#inputs.set(path, input)
      }),
      // An observing hook would receive a copy without a gradient if the network overwrites the output, as an in-place ReLU does.
      this.#model.registerForwardHook(
        path,
        ({ output }) => {
          if (!(output instanceof Tensor) || !output.requiresGrad) return undefined
          this.#outputs.set(path, output)
          return torch.enableGrad(() => output.clone())
        },
        { replace: true },
      ),
    )
  }

  #add(sums: Tensor, path: string, squares: Tensor): void {
    sums.select(0, this.#groupOf.get(path)!).add_(squares)
  }
}

/** The path of the submodule that a parameter belongs to. */
function ownerOf(name: string): string {
  return name.includes('.') ? name.slice(0, name.lastIndexOf('.')) : ''
}

function squaredLength(gradient: Tensor): Tensor {
  return gradient.square().sum([...gradient.shape.keys()], false, { dtype: 'float64' })
}
