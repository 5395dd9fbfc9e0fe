/** A module of the tree, as `ScriptModule.modules()` lists them. */
export interface ModuleNode {
  /** Dotted path from the root, whose own is ''. */
  path: string
  /** The Python class, as `torch.nn.modules.linear.Linear`. */
  type: string
  /** The module's own parameters, without its children's. */
  parameters: { name: string; shape: number[]; dtype: string }[]
  /** The operators that the module's own methods call, as `aten::linear`, each once. */
  operators: string[]
}

/** Where a value comes from, as an argument of an operator's call (native/core/data_flow.h). */
export interface ArgumentSource {
  /** The index of an input of the method. */
  input?: number
  /** The dotted path of a tensor of the module: a parameter or a buffer. */
  attribute?: string
  /** Of a tensor that is an attribute or a constant. */
  dtype?: string
  /** A constant, or the present value of an attribute that is no tensor. */
  value?: unknown
  /** The operator that computed it, as `aten::pad`. */
  resultOf?: string
  /** Beside `resultOf`: the place of that call among the calls. */
  call?: number
  /** Beside `call`: which of its results, or of the items of its list. */
  output?: number
  /** Those of the items of a list that is no constant. */
  items?: ArgumentSource[]
  /** Those of the keys and the values of a dictionary, in turn. */
  entries?: ArgumentSource[]
  /** One of these, as conditions decide at run time; a condition on `training` is taken as in eval mode. */
  choices?: ArgumentSource[]
}

/** A call of an operator in the graph of a method. */
export interface OperatorCall {
  /** As `aten::conv2d`. */
  operator: string
  /** The dotted path of the submodule whose code calls it. */
  module: string
  /** Whether it stands under a condition that is known not to hold in eval mode. */
  skipped: boolean
  /** By the names of the operator's schema. */
  arguments: Record<string, ArgumentSource>
}

/** What a method computes. */
export interface DataFlow {
  /** In the order of its graph. */
  calls: OperatorCall[]
  /** Where what it returns comes from. */
  result: ArgumentSource
}

/**
 * How a TorchScript module was made: by `torch.jit.script`, by `torch.jit.trace` (its mode, train or eval, is baked in), or by
 * `torch.jit.freeze` (its weights are); undetermined where nothing in it differs
 * between these.
 */
export type ModuleKind = 'scripted' | 'traced' | 'frozen' | 'undetermined'
