#pragma once
#include <torch/csrc/jit/api/object.h>

#include <string>

#include "core/base/error.h"

namespace sos {

/// A method of a TorchScript module failed while it ran.
class ScriptError : public Error {
 public:
  ScriptError(const std::string& message, std::string submodule, std::string line, std::string full_text)
      : Error("ERR_TORCH", message),
        submodule(std::move(submodule)),
        line(std::move(line)),
        full_text(std::move(full_text)) {}
  const std::string submodule;  ///< the dotted path of the submodule whose code failed; "" for the root
  const std::string line;  ///< of the serialized code, such as `code/__torch__/net.py:12: y = torch.relu(x)`
  const std::string full_text;  ///< the whole message of libtorch
};

/// Finds the cause, the submodule and the line in the interpreter's text, which lists the frames of the
/// serialized and of the original code.
ScriptError explain_failure(const torch::jit::Object& self, const std::string& method,
                            const std::exception& failure);

}  // namespace sos
