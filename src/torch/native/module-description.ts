/** A module of the tree, as `ScriptModule.modules()` lists it. */
export interface ModuleNode {
  /** The dotted path from the root; '' for the root itself. */
  path: string
  /** The Python class, for example `torch.nn.modules.linear.Linear`. */
  type: string
  /** The parameters of the module itself, without those of its submodules. */
  parameters: { name: string; shape: number[]; dtype: string }[]
  /** The operators that the methods of the module itself call, for example `aten::linear`, each once. */
  operators: string[]
}

/** Where a value comes from, for example an argument of an operator (native/core/script/data_flow.h). */
export interface ArgumentSource {
  /** For an input of the method: its index. */
  input?: number
  /** For a parameter or a buffer: its dotted path. */
  attribute?: string
  /** For a tensor that is an attribute or a constant: its dtype. */
  dtype?: string
  /** For a constant, or an attribute that is not a tensor: its present value. */
  value?: unknown
  /** For a computed value: the operator that computed it, for example `aten::pad`. */
  resultOf?: string
  /** With `resultOf`: the index of that call in the list of calls. */
  call?: number
  /** With `call`: the index of the value among the results of the call, or among the items of the list that it returned. */
  output?: number
  /** For a list that is not a constant: the sources of its items. */
  items?: ArgumentSource[]
  /** For a dictionary: the sources of its keys and values, alternating. */
  entries?: ArgumentSource[]
  /** For a value that depends on conditions at run time: the possible sources. A condition on `training` is decided as in eval mode. */
  choices?: ArgumentSource[]
}

/** One call of an operator in the graph of a method. */
export interface OperatorCall {
  /** The name of the operator, for example `aten::conv2d`. */
  operator: string
  /** The dotted path of the submodule whose code calls it. */
  module: string
  /** Whether the call is under a condition that is known to be false in eval mode. */
  skipped: boolean
  /** The sources of the arguments, by the names of the operator's schema. */
  arguments: Record<string, ArgumentSource>
}

/** What a method computes: the operators that it calls, and where its result comes from. */
export interface DataFlow {
  /** The calls, in the order of the graph. */
  calls: OperatorCall[]
  /** The source of the value that the method returns. */
  result: ArgumentSource
}

/** A value of a graph (native/core/script/graph_tree.h). */
export interface GraphValue {
  /** A number that no other value of the graph has. */
  number: number
  /** The type by its short name, for example `Tensor`, `int[]`, or the class of a NamedTuple. */
  type: string
}

/** A node of a graph: one step that computes values from other values. */
export interface GraphNode {
  /** The kind of the node, for example `aten::conv2d` or `prim::If`. */
  kind: string
  /** The numbers of the values that it takes. */
  inputs: number[]
  /** The values that it computes. */
  outputs: GraphValue[]
  /** For a `prim::GetAttr`: the dotted path of what it reads from the module. It is missing if there is no such path. */
  attribute?: string
  /** The branches of a condition, or the body of a loop. */
  blocks: GraphBlock[]
}

/** A list of nodes, which run one after the other. */
export interface GraphBlock {
  /** The values that it is given: for a method its arguments, for a loop the results of the last round. */
  inputs: GraphValue[]
  /** The nodes, in their order. */
  nodes: GraphNode[]
  /** The numbers of the values that it returns. */
  outputs: number[]
}

/**
 * How a TorchScript module was made: by `torch.jit.script`; by `torch.jit.trace`, which fixes its mode (train or eval); or by
 * `torch.jit.freeze`, which makes its weights constants. It is undetermined if nothing in the module shows the difference.
 */
export type ModuleKind = 'scripted' | 'traced' | 'frozen' | 'undetermined'
