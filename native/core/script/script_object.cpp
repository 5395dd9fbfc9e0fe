#include "core/script/script_object.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/python_print.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/script/call_inliner.h"
#include "core/script/script_error.h"

namespace sos {

using namespace torch::jit;

std::string python_class(const Object& object) {
  const std::string name = object.type()->name() ? object.type()->name()->qualifiedName() : "";
  std::string result;
  for (size_t start = 0; start <= name.size();) {
    const size_t dot = std::min(name.find('.', start), name.size());
    const std::string atom = name.substr(start, dot - start);
    if (atom != "__torch__" && atom.rfind("___torch_mangle_", 0) != 0)
      result += (result.empty() ? "" : ".") + atom;
    start = dot + 1;
  }
  return result;
}

c10::IValue ScriptObject::call(const std::string& name, const Arguments& arguments, HookedRun& run) {
  const Method method = expect_method(name);
  const auto& schema = method.function().getSchema();
  std::string reason;
  Match match;
  const c10::IValue self = object_._ivalue();
  if (!match_arguments(schema, arguments, match, &reason, &self)) {
    // The caller may have meant a plain object as the last argument, a dict, and not as keywords.
    if (arguments.keyword.empty() ||
        !match_arguments(schema, arguments.with_keywords_as_dict(), match, nullptr, &self)) {
      throw Error("ERR_METHOD_ARGUMENTS", name + ": " + reason + "\n  " + c10::toString(schema));
    }
  }
  try {
    return run_method(method, match.stack, run);
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    throw explain_failure(object_, name, error);
  } catch (const std::runtime_error& error) {
    throw explain_failure(object_, name, error);
  } catch (const c10::ivalue::Future::FutureError& error) {  // the graph waited for a forked task
    throw explain_failure(object_, name, error);
  }
}

c10::IValue ScriptObject::run_method(const Method& method, Stack& stack, HookedRun&) {
  const GraphOptimizerEnabledGuard plain(false);
  method.function().run(stack);
  return std::move(stack.back());
}

std::string ScriptObject::type() const {
  return python_class(object_);
}

std::vector<std::string> ScriptObject::methods() const {
  std::vector<std::string> schemas;
  for (const Method& method : object_.get_methods()) {
    const auto& schema = method.function().getSchema();
    const auto& arguments = schema.arguments();
    // Without self, as the method is called.
    schemas.push_back(c10::toString(
        schema.cloneWithArguments({arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end()})));
  }
  return schemas;
}

std::vector<AttributeInfo> ScriptObject::attributes() const {
  std::vector<AttributeInfo> found;
  const auto type = object_.type();
  for (size_t i = 0; i < type->numAttributes(); ++i) {
    found.push_back({type->getAttributeName(i), type->getAttribute(i)->annotation_str()});
  }
  return found;
}

c10::IValue ScriptObject::attribute(const std::string& name) const {
  if (const auto type = object_.type(); const auto constant = type->findConstantSlot(name)) {
    return type->getConstant(*constant);
  }
  if (!object_.hasattr(name)) {
    throw Error("ERR_NO_ATTRIBUTE",
                "expected the name of an attribute of " + type() + " but it has no '" + name + "'");
  }
  return object_.attr(name);
}

void ScriptObject::set_attribute(const std::string& name, const c10::IValue& value) {
  const auto type = object_.type()->findAttribute(name);
  if (!type) {
    throw Error("ERR_NO_ATTRIBUTE",
                "expected the name of an attribute of " + this->type() + " but it has no '" + name + "'");
  }
  const auto fitting = as_type(value, type);
  if (!fitting) {
    throw Error("ERR_INVALID_ARGUMENT",
                "attribute '" + name + "' expects " + type->repr_str() + " but received " + describe(value));
  }
  object_.setattr(name, *fitting);
}

std::string ScriptObject::code(const std::string& name) const {
  std::vector<c10::IValue> constants;
  PrintDepsTable dependencies;
  PythonPrint printer(constants, dependencies);
  printer.printMethod(expect_method(name).function());
  return printer.str();
}

std::string ScriptObject::graph(const std::string& name, bool inlined) const {
  auto& function = expect_method(name).function();
  function.ensure_defined();
  const auto copy = toGraphFunction(function).graph()->copy();
  if (inlined) inline_calls(*copy);
  // Without source locations, since libtorch trusts the record of them that the file brings.
  return copy->toString(/*print_source_locations=*/false);
}

Method ScriptObject::expect_method(const std::string& name) const {
  if (auto found = object_.find_method(name)) return *found;
  std::string known;
  for (const Method& method : object_.get_methods()) known += (known.empty() ? "" : ", ") + method.name();
  throw Error("ERR_NO_METHOD", "expected the name of a method of " + type() + " but it has no '" + name +
                                   "'; it has: " + (known.empty() ? "none" : known));
}

}  // namespace sos
