#pragma once
#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sos {

/// Where an argument of an operator's call comes from. At most one member says it; none where libtorch made
/// the value in a way that has no name, as the variable of a loop.
struct ArgumentSource {
  std::optional<size_t> input;           ///< of the method, self not counted
  std::optional<std::string> attribute;  ///< the dotted path of a tensor of the module
  std::optional<c10::IValue> value;      ///< of a constant, a list of them, or an attribute that is no tensor
  std::optional<std::string> result_of;  ///< the operator that computed it, as `aten::pad`
  std::optional<std::vector<ArgumentSource>> items;  ///< of a list or tuple that is no constant
};

/// A call of an operator in a method's graph.
struct OperatorCall {
  std::string name;  ///< as `aten::conv2d`
  /// By the schema's names, in its order.
  std::vector<std::pair<std::string, ArgumentSource>> arguments;
};

/// The operators that a method calls, itself and by way of submodules and functions, in the order of its
/// graph. What stands under a condition or in a loop is listed once. Throws Error `ERR_NO_METHOD`.
std::vector<OperatorCall> operator_calls(const torch::jit::Module& module, const std::string& method);

}  // namespace sos
