#pragma once
#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sos {

/// Where a value comes from, as an argument of an operator's call. At most one member says it, but for
/// `dtype`, `call` and `output`; none where libtorch made the value in a way that has no name, as the
/// variable of a loop.
struct ArgumentSource {
  std::optional<size_t> input;           ///< of the method, self not counted
  std::optional<std::string> attribute;  ///< the dotted path of a tensor of the module
  std::optional<at::ScalarType> dtype;   ///< of a tensor that is an attribute or a constant
  std::optional<c10::IValue> value;      ///< of a constant, a list of them, or an attribute that is no tensor
  std::optional<std::string> result_of;  ///< the operator that computed it, as `aten::pad`
  std::optional<size_t> call;            ///< beside `result_of`: the call's place in the list of the calls
  std::optional<size_t> output;          ///< beside `call`: which of its results, or of the items of its list
  std::optional<std::vector<ArgumentSource>> items;    ///< of a list or tuple that is no constant
  std::optional<std::vector<ArgumentSource>> entries;  ///< of a dictionary: keys and values in turn
  /// One of these, as conditions decide at run time. Of a condition that is known it is the branch that is
  /// taken, and of one on `training` that of eval mode.
  std::optional<std::vector<ArgumentSource>> choices;
};

/// A call of an operator in a method's graph.
struct OperatorCall {
  std::string name;    ///< as `aten::conv2d`
  std::string module;  ///< the dotted path of the submodule whose code calls it
  bool skipped;        ///< it stands under a condition that is known not to hold in eval mode
  /// By the schema's names, in its order.
  std::vector<std::pair<std::string, ArgumentSource>> arguments;
};

/// What a method computes: its calls, and where what it returns comes from.
struct DataFlow {
  std::vector<OperatorCall> calls;
  ArgumentSource result;
};

/// The operators that a method calls, itself and by way of submodules and functions, in the order of its
/// graph. What stands under a condition or in a loop is listed once. Throws Error `ERR_NO_METHOD`.
DataFlow data_flow(const torch::jit::Module& module, const std::string& method);

}  // namespace sos
