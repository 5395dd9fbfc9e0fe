#pragma once
#include <ATen/core/dispatch/Dispatcher.h>

#include <string>
#include <vector>

#include "core/arguments.h"

namespace sos {

/// All overloads of one operator, as `aten::add`. Every operator that is registered with the dispatcher is
/// reached through here, boxed, with autograd, on every device.
class OperatorPacket {
 public:
  /// Finds `NAMESPACE::NAME`, or `NAMESPACE::NAME.OVERLOAD` for that overload alone. The packet lives as long
  /// as the process. Throws Error `ERR_OPERATOR_UNKNOWN`.
  static const OperatorPacket& find(const std::string& name);

  /// Calls the overload that the arguments fit best and returns its results.
  /// Throws Error `ERR_OPERATOR_ARGUMENTS`, naming each candidate and the argument that failed.
  torch::jit::Stack call(const Arguments& arguments) const;

  const std::string& name() const { return name_; }

 private:
  OperatorPacket(std::string name, std::vector<c10::OperatorHandle> overloads)
      : name_(std::move(name)), overloads_(std::move(overloads)) {}

  std::string name_;
  std::vector<c10::OperatorHandle> overloads_;
};

/// The schemas of all operators of the dispatcher, as text, sorted.
std::vector<std::string> operator_schemas();

}  // namespace sos
