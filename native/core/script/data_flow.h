#pragma once
#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sos {

/// The origin of an argument of an operator's call. At most one member is set, apart from `dtype`, `call` and
/// `output`. None is set if libtorch made the value in a way that has no name, such as the variable of a
/// loop.
struct ArgumentSource {
  std::optional<size_t> input;           ///< an input of the method by its position, without self
  std::optional<std::string> attribute;  ///< the dotted path of a tensor of the module
  std::optional<at::ScalarType> dtype;   ///< the dtype of a tensor that is an attribute or a constant
  /// Of a constant, of a list of constants, or of an attribute that is not a tensor.
  std::optional<c10::IValue> value;
  std::optional<std::string> result_of;  ///< the operator that computed it, such as `aten::pad`
  std::optional<size_t> call;            ///< with `result_of`: the position of the call in the list of calls
  /// With `call`: which of its results it is, or which item of the list that it returns.
  std::optional<size_t> output;
  std::optional<std::vector<ArgumentSource>> items;    ///< the items of a list or tuple that is not constant
  std::optional<std::vector<ArgumentSource>> entries;  ///< of a dictionary: its keys and values, alternating
  /// One of these: conditions decide at run time. If a condition is known, only the branch that is taken
  /// counts. A condition on `training` counts as it is in eval mode.
  std::optional<std::vector<ArgumentSource>> choices;
};

/// A call of an operator in a method's graph.
struct OperatorCall {
  std::string name;    ///< such as `aten::conv2d`
  std::string module;  ///< the dotted path of the submodule whose code calls it
  bool skipped;        ///< whether a condition that is known not to hold in eval mode excludes it
  /// By the names of the schema, in its order.
  std::vector<std::pair<std::string, ArgumentSource>> arguments;
};

/// What a method computes: its calls, and the origin of its result.
struct DataFlow {
  std::vector<OperatorCall> calls;
  ArgumentSource result;
};

/// The operators that a method calls, itself and through submodules and functions, in the order of its graph.
/// A call in a branch or in a loop is listed once. Throws Error `ERR_NO_METHOD`.
DataFlow data_flow(const torch::jit::Module& module, const std::string& method);

}  // namespace sos
