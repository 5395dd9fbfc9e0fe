#pragma once
#include <torch/csrc/jit/api/object.h>

#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "core/operators/arguments.h"
#include "core/script/forward_hooks.h"

namespace sos {

/// An attribute of an instance.
struct AttributeInfo {
  std::string name;
  std::string type;  ///< in TorchScript's notation, such as `Dict[str, Tensor]`
};

/// An instance of a TorchScript class: a module, or an object that a method returned.
class ScriptObject {
 public:
  explicit ScriptObject(torch::jit::Object object) : object_(std::move(object)) {}
  virtual ~ScriptObject() = default;

  /// Throws Error `ERR_NO_METHOD` or `ERR_METHOD_ARGUMENTS`, and ScriptError if the method fails.
  c10::IValue call(const std::string& method, const Arguments& arguments, HookedRun& run);

  /// The Python class, such as `torch.nn.modules.conv.Conv2d`.
  std::string type() const;

  /// The schemas of its methods, such as `forward(Tensor x) -> Tensor`.
  std::vector<std::string> methods() const;
  std::vector<AttributeInfo> attributes() const;

  /// Both throw Error `ERR_NO_ATTRIBUTE`. set_attribute() throws `ERR_INVALID_ARGUMENT` if the value does not
  /// fit the attribute's type.
  c10::IValue attribute(const std::string& name) const;
  virtual void set_attribute(const std::string& name, const c10::IValue& value);

  /// The method as TorchScript's code, which looks like Python, or as the text of its graph.
  std::string code(const std::string& method) const;
  std::string graph(const std::string& method, bool inlined) const;

  torch::jit::ObjectPtr instance() const { return object_._ivalue(); }

 protected:
  torch::jit::Method expect_method(const std::string& name) const;

  /// Runs a method. Its arguments are on the stack in the order of its schema.
  virtual c10::IValue run_method(const torch::jit::Method& method, torch::jit::Stack& stack, HookedRun& run);

  torch::jit::Object object_;
};

/// `__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d` → `torch.nn.modules.conv.Conv2d`
std::string python_class(const torch::jit::Object& object);

}  // namespace sos
