import type { GraphBlock, GraphNode } from '../torch/index.js'

/** How often a graph reads each tensor of its module. */
export interface GraphReads {
  /** How often operators read each tensor, by its dotted path, on the way through the graph that reads it most often. */
  readonly counts: ReadonlyMap<string, number>
  /** Why the counts, or the operators themselves, do not show everything; null if they do. */
  readonly hidden: string | null
}

/** The dotted paths of the module's tensors, by the numbers of the values that hold them. */
type Paths = ReadonlyMap<number, string>

/**
 * Counts how often operators read the tensors of a module. Of the branches of a condition, one counts. Some reads cannot be
 * counted. Tensors that are made in a loop are hidden, since the next round may begin with them. So are calls that are not
 * inlined, and tensors of the module that pass through a condition, a list or a tuple before they are read.
 *
 * @param graph the graph of a module's method, as `model.graphTree()` returns it
 * @param flat whether the result of an operator, such as `aten::size`, does not depend on the values of its tensors
 */
export function graphReads(graph: GraphBlock, flat: (operator: string) => boolean): GraphReads {
  const nodes = nodesOf(graph)
  const { paths, unknown } = tensorsOf(nodes)
  const counts = countsOf(graph, (node) =>
    isOperator(node) && !flat(node.kind) ? pathsOf(node.inputs, paths) : [],
  )
  const opaque = nodes.find(({ kind }) => opaqueKinds.has(kind))
  if (opaque !== undefined) return { counts, hidden: `a call that is not inlined: ${opaque.kind}` }
  if (nodes.some((node) => node.kind === 'prim::Loop' && makesTensors(node)))
    return { counts, hidden: 'tensors in a loop' }
  return { counts, hidden: unknown || isChosen(graph, paths) ? 'a weight that is chosen at run time' : null }
}

const opaqueKinds = new Set([
  'prim::CallMethod',
  'prim::CallFunction',
  'prim::PythonOp',
  'prim::fork',
  'prim::awaitable',
])

const isOperator = ({ kind }: GraphNode): boolean => kind.startsWith('aten::')

/** The nodes of a block and of all blocks within it. */
function nodesOf(block: GraphBlock): GraphNode[] {
  return block.nodes.flatMap((node) => [node, ...node.blocks.flatMap(nodesOf)])
}

/** The tensors that the graph reads from the module; `unknown` if the object that has one of them has no path. */
function tensorsOf(nodes: readonly GraphNode[]): { paths: Paths; unknown: boolean } {
  const paths = new Map<number, string>()
  let unknown = false
  for (const { kind, outputs, attribute } of nodes) {
    if (kind !== 'prim::GetAttr' || !outputs[0]!.type.startsWith('Tensor')) continue
    if (attribute === undefined) unknown = true
    else paths.set(outputs[0]!.number, attribute)
  }
  return { paths, unknown }
}

function pathsOf(values: readonly number[], paths: Paths): string[] {
  return values.flatMap((value) => paths.get(value) ?? [])
}

/** Adds up the reads of the nodes. Of the blocks of a node, the one that reads a tensor most often counts for that tensor. */
function countsOf(block: GraphBlock, reads: (node: GraphNode) => string[]): Map<string, number> {
  const total = new Map<string, number>()
  const add = (path: string, count: number) => total.set(path, (total.get(path) ?? 0) + count)
  for (const node of block.nodes) {
    for (const path of reads(node)) add(path, 1)
    const most = new Map<string, number>()
    for (const [path, count] of node.blocks.flatMap((inner) => [...countsOf(inner, reads)]))
      most.set(path, Math.max(count, most.get(path) ?? 0))
    for (const [path, count] of most) add(path, count)
  }
  return total
}

/** Whether an operator in the blocks of a node returns a tensor, or a list or a tuple of tensors. */
function makesTensors({ blocks }: GraphNode): boolean {
  return blocks
    .flatMap(nodesOf)
    .some((node) => isOperator(node) && node.outputs.some(({ type }) => type.includes('Tensor')))
}

/** Whether a tensor of the module goes to a node that is not an operator, or is what a block returns. */
function isChosen(block: GraphBlock, paths: Paths): boolean {
  const isOurs = (value: number) => paths.has(value)
  return (
    block.outputs.some(isOurs) ||
    block.nodes.some(
      (node) =>
        (!isOperator(node) && node.kind !== 'prim::GetAttr' && node.inputs.some(isOurs)) ||
        node.blocks.some((inner) => isChosen(inner, paths)),
    )
  )
}
