import { SosError } from '../../base/index.js'
import type { ArgumentSource, DataFlow, OperatorCall, ScriptModule } from '../../torch/index.js'
import { expectModule } from '../../torch/internal.js'
import type { OutputItem } from '../model-output.js'
import { type AffineCall, affineCall, alternatives, callOf } from './affine-call.js'
import { convolutionLayers, isConvolutionCall } from './convolution.js'
import { frozen, type LinearLayer, linearLayers, readLinear } from './linear-layer.js'
import { type OutputPart, outputPart, outputParts } from './output-parts.js'
import { writesTo } from './writes-to.js'

/** The linear layer that makes a model's output, and what comes after it. */
export interface OutputLayer {
  /** The layer. */
  readonly layer: LinearLayer
  /**
   * The operators between the layer's output and the model's, in order, for example `aten::softmax`, `aten::flatten`,
   * or `aten::mean` over positions. None of them changes which class is predicted. Dropout, copies and casts are left
   * out.
   */
  readonly steps: readonly string[]
  /**
   * Where the layer's output stands in the model's, for example `[0]` or `['logits']`; null if it is the whole output.
   */
  readonly item: string | null
}

/**
 * Finds the linear layer that makes a model's output: the output is the layer's, or its softmax, log-softmax,
 * flattening or mean over positions. The layer is found by following the graph back from what forward returns, as in
 * eval mode.
 *
 * @param model the model
 * @param item which item of the output is meant, if the model returns several tensors
 * @returns the layer, and the operators that come after it
 * @throws `ERR_FROZEN` for a frozen model; `ERR_NO_OUTPUT_LAYER` if something else makes the output (the message names
 *   it, and the layers that could be named instead); `ERR_NO_LINEAR` if forward calls no linear layer
 * @example
 * const { layer, steps } = outputLayer(model)
 * console.log(layer.path, steps) // → fc []
 */
export function outputLayer(model: ScriptModule, item?: OutputItem): OutputLayer {
  expectModule('model', model)
  if (model.kind === 'frozen') throw frozen(model)
  const found = findOutputLayer(model, item)
  if (typeof found !== 'string') return found
  const linear = linearLayers(model).map(({ path }) => `'${path}'`)
  const convolutions = convolutionLayers(model).map(({ path }) => `'${path}'`)
  throw new SosError(
    linear.length === 0 ? 'ERR_NO_LINEAR' : 'ERR_NO_OUTPUT_LAYER',
    `${model.path}: expected a linear layer that makes the model's output but ${found}. Name the layer that is meant (--layer); linear layers: ${last(linear)}; 2-d convolutions: ${last(convolutions)}`,
  )
}

/** The layer, or a text that says what makes the output instead. */
export function findOutputLayer(model: ScriptModule, item?: OutputItem): OutputLayer | string {
  const flow = model.dataFlow()
  const part = meant(model, flow, item)
  if (typeof part === 'string') return part
  const { source, at } = part
  if (at !== '' && flow.calls.some(changesContainer)) return changed
  const walk = new Walk(flow, model.training)
  const way = walk.back(source)
  if (typeof way === 'string') return way
  const { affine, steps } = way
  const { attribute } = affine.weight
  const operator = affine.operator
  if (attribute === undefined) {
    return `${operator} in the code of ${place(affine.module)} makes it, with a weight that is computed at run time${affine.weight.resultOf === undefined ? '' : ` by ${affine.weight.resultOf}`}, as by weight norm or another parametrisation; remove that and export the model again`
  }
  const path = attribute === 'weight' ? '' : attribute.replace(/\.weight$/, '')
  const node = model.modules().find((candidate) => candidate.path === path)
  const layer = node === undefined || affine.module !== path ? null : readLinear(model, node)
  if (layer === null || (path === '' && typeof layer === 'string')) {
    return `${operator} in the code of ${place(affine.module)} makes it from the parameter '${attribute}' directly, without a layer whose inputs could be captured`
  }
  if (typeof layer === 'string') return `'${path}' makes it, and ${layer}`
  const writer = writesTo(flow, way.calls)
  if (writer !== undefined) {
    return `${writer.operator} in the code of ${place(writer.module)} writes over the output of '${path}'`
  }
  return { layer, steps, item: at === '' ? null : at }
}

/** The tensor of the output that is meant, or why it cannot be found. */
function meant(model: ScriptModule, flow: DataFlow, item: OutputItem | undefined): OutputPart | string {
  const parts = outputParts(flow.result)
  const each = parts.map(({ source, at }) => `${at === '' ? 'one' : at} by ${makers(flow, source)}`)
  if (item !== undefined) {
    const part = outputPart(model, flow, item)
    if (part !== null && part.source.value !== undefined) return `its output '${item}' is not a tensor`
    if (part === null && flow.calls.some(changesContainer)) return changed
    return part ?? `its graph shows no item '${item}' in what it returns: ${each.join(', ') || 'no tensor'}`
  }
  if (parts.length === 1) return parts[0]!
  if (parts.length === 0) return 'it returns no tensor, as far as its graph shows'
  return `it returns ${parts.length} tensors: ${each.join(', ')}; choose one by output (--output INDEX|KEY)`
}

const changed = 'the list or dictionary that it returns is changed after it is made'

function changesContainer({ operator, skipped }: OperatorCall): boolean {
  return (
    !skipped &&
    /^aten::(append|insert|extend|pop|clear|remove|reverse|sort|update|setdefault|popitem|_set_item|Delete|__delitem__)$/.test(
      operator,
    )
  )
}

interface Way {
  readonly affine: AffineCall
  readonly steps: readonly string[]
  /** The calls on the way, by their places. */
  readonly calls: ReadonlySet<number>
}

const same = names('contiguous clone detach detach_ alias to type_as _unwrap_optional')
/** Takes an item of a list or a dictionary that the graph itself builds. */
const taking = '__getitem__'
const reshapes = names('squeeze flatten view reshape')
const softmaxes = names('softmax log_softmax _softmax _log_softmax')
const dropouts = names('dropout dropout_ feature_dropout feature_dropout_ alpha_dropout alpha_dropout_')

/** Follows a value back to the linear layer that makes it. */
class Walk {
  readonly #known = new Map<number, Way | string>()
  readonly #flow: DataFlow
  readonly #training: boolean

  constructor(flow: DataFlow, training: boolean) {
    this.#flow = flow
    this.#training = training
  }

  /** Returns the way to the layer, or a text that says what makes the value instead. */
  back(source: ArgumentSource): Way | string {
    const ways = alternatives(source).map((one) => this.#ofOne(one))
    const [first] = ways
    if (first === undefined) return 'its graph does not show what makes it'
    const wrong = ways.find((way) => typeof way === 'string')
    if (wrong !== undefined) return wrong
    const all = ways as Way[]
    const alike = all.every((way) => String([way.affine.weight.attribute, ...way.steps]) === keyOf(all[0]!))
    if (!alike) {
      return `a condition at run time decides what makes it: ${all.map(described).join(', or ')}`
    }
    return { ...all[0]!, calls: new Set(all.flatMap(({ calls }) => [...calls])) }
  }

  #ofOne(source: ArgumentSource): Way | string {
    const passed: string[] = []
    const calls = new Set<number>()
    for (let at = source; ; ) {
      const affine = affineCall(this.#flow, at)
      if (affine !== null) return { affine, steps: passed, calls: calls.add(at.call!) }
      const call = callOf(this.#flow, at)
      if (call === undefined) return nameless(at)
      const known = this.#known.get(at.call!)
      if (known !== undefined) return joined(known, passed, calls)
      const name = call.operator.replace(/^aten::/, '')
      const next = this.#passedOn(call, name, passed)
      if (next === null) return blocked(this.#flow, at)
      if (!same.has(name) && !dropouts.has(name) && name !== taking) passed.unshift(call.operator)
      calls.add(at.call!)
      if (next.choices !== undefined) {
        const rest = this.back(next)
        this.#known.set(at.call!, rest)
        return joined(rest, passed, calls)
      }
      at = next
    }
  }

  /** The argument that an operator passes on with the same classes in it. */
  #passedOn(
    { arguments: given }: OperatorCall,
    name: string,
    passed: readonly string[],
  ): ArgumentSource | null {
    const self = given.self ?? given.input ?? given.optional ?? null
    if (same.has(name) || reshapes.has(name)) return self
    if (name === taking) return this.#flow.calls.some(changesContainer) ? null : itemOf(given)
    if (dropouts.has(name)) return given.train?.value === true && !this.#training ? null : self
    if (softmaxes.has(name)) {
      return passed.some((operator) => /softmax|mean/.test(operator)) ? null : self
    }
    if (name === 'mean') {
      const dims = [given.dim?.value].flat()
      const positions =
        dims.length > 0 && dims.every((dim) => typeof dim === 'number' && dim !== -1 && dim !== 0)
      return positions ? self : null
    }
    return null
  }
}

function itemOf({ self, key, list, idx }: OperatorCall['arguments']): ArgumentSource | null {
  const { entries } = self ?? {}
  if (entries !== undefined && key?.value !== undefined) {
    const at = entries.findLastIndex(({ value }, i) => i % 2 === 0 && value === key.value)
    const known = entries.every(({ value }, i) => i % 2 === 1 || value !== undefined)
    return at < 0 || !known ? null : entries[at + 1]!
  }
  return typeof idx?.value === 'number' ? (list?.items?.at(idx.value) ?? null) : null
}

function described({ affine, steps }: Way): string {
  return [`${affine.operator} with '${affine.weight.attribute}'`, ...steps].join(' and ')
}

const keyOf = ({ affine, steps }: Way): string => String([affine.weight.attribute, ...steps])

function joined(rest: Way | string, passed: readonly string[], calls: ReadonlySet<number>): Way | string {
  if (typeof rest === 'string') return rest
  if (rest.steps.some((step) => /softmax/.test(step)) && passed.some((step) => /softmax|mean/.test(step))) {
    return `${passed.at(-1)} changes what a softmax gives`
  }
  return { ...rest, steps: [...rest.steps, ...passed], calls: new Set([...rest.calls, ...calls]) }
}

function nameless({ resultOf, attribute, input }: ArgumentSource): string {
  if (attribute !== undefined) return `it is the model's own tensor '${attribute}'`
  if (input !== undefined) return 'it is an input of the model'
  return `its graph does not show what makes it${resultOf === undefined ? '' : `, only ${resultOf}`}`
}

function blocked(flow: DataFlow, source: ArgumentSource): string {
  const call = callOf(flow, source)!
  const { operator, arguments: given, module } = call
  if (isConvolutionCall(call)) {
    return `a convolution makes it, '${(given.weight?.attribute ?? module).replace(/\.weight$/, '')}'`
  }
  if (/^quantized::/.test(operator)) {
    return `${operator} in the code of ${place(module)} makes it; shift the model before it is quantised`
  }
  return `${operator} in the code of ${place(module)} makes it, of ${makers(flow, source)}`
}

/** The nearest layers that a value is computed from, for a message. */
function makers(flow: DataFlow, source: ArgumentSource): string {
  const found = new Set<string>()
  const seen = new Set<number>()
  const waiting = [source]
  while (waiting.length > 0 && found.size < 5) {
    const one = waiting.shift()!
    for (const inner of [one.items, one.entries, one.choices].flat()) if (inner) waiting.push(inner)
    const call = one.call === undefined ? undefined : flow.calls[one.call]
    if (call === undefined || seen.has(one.call!)) continue
    seen.add(one.call!)
    const weight = affineCall(flow, { ...one, output: undefined })?.weight ?? call.arguments.weight
    const layer = weight?.attribute?.replace(/\.?weight$/, '')
    if (layer !== undefined) found.add(layer === '' ? place('') : `'${layer}'`)
    else if (/^quantized::/.test(call.operator)) found.add(`${call.operator} in ${place(call.module)}`)
    else waiting.push(...Object.values(call.arguments))
  }
  return found.size === 0
    ? 'no layer'
    : [...found].slice(0, 4).join(' and ') + (found.size > 4 ? ' and more' : '')
}

const place = (path: string): string => (path === '' ? 'the model itself' : `'${path}'`)

function last(paths: readonly string[]): string {
  const most = 6
  if (paths.length === 0) return 'none'
  return `${paths.length > most ? `… (${paths.length - most} before), ` : ''}${paths.slice(-most).join(', ')}`
}

function names(text: string): ReadonlySet<string> {
  return new Set(text.split(' '))
}
