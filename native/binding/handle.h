#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <napi.h>

#include <memory>
#include <variant>

#include "core/script/script_module.h"

namespace sos {

class ProcessGroup;
class GradientReducer;

/// What a JavaScript external holds. The TypeScript classes keep the external in a private field and pass it
/// back.
struct Handle {
  static constexpr uint64_t kMark = 0x6f7074696d73686eU;
  const uint64_t mark = kMark;  ///< tells our externals from those of other addons, as well as a number can
  std::variant<std::monostate, at::Tensor, std::shared_ptr<ScriptModule>, std::shared_ptr<ScriptObject>,
               at::Generator, std::shared_ptr<ProcessGroup>, std::shared_ptr<GradientReducer>>
      held;
  int64_t bytes = 0;  ///< the bytes that the environment's collector counts for it
};

struct EnvData;

Napi::Value wrap_tensor(Napi::Env env, at::Tensor tensor);
Napi::Value wrap_tensor(EnvData& data, Napi::Env env, at::Tensor tensor);

/// The same, without a new external if `spare` is the external of a tensor that was disposed of, or if it
/// holds this very tensor.
Napi::Value wrap_tensor(EnvData& data, Napi::Env env, at::Tensor tensor, const Napi::Value& spare);
Napi::Value wrap_module(Napi::Env env, std::shared_ptr<ScriptModule> module);
Napi::Value wrap_object(Napi::Env env, std::shared_ptr<ScriptObject> object);
Napi::Value wrap_generator(Napi::Env env, at::Generator generator);
Napi::Value wrap_group(Napi::Env env, std::shared_ptr<ProcessGroup> group);
Napi::Value wrap_reducer(Napi::Env env, std::shared_ptr<GradientReducer> reducer);

/// These throw a JavaScript error if the value is not a handle of this addon (`ERR_INVALID_ARGUMENT`) or was
/// disposed of (`ERR_DISPOSED`).
Handle& unwrap_handle(const Napi::Value& value);
const at::Tensor& unwrap_tensor(const Napi::Value& value);
const std::shared_ptr<ScriptModule>& unwrap_module(const Napi::Value& value);

/// A module is an object, too.
std::shared_ptr<ScriptObject> unwrap_object(const Napi::Value& value);
const at::Generator& unwrap_generator(const Napi::Value& value);
const std::shared_ptr<ProcessGroup>& unwrap_group(const Napi::Value& value);
const std::shared_ptr<GradientReducer>& unwrap_reducer(const Napi::Value& value);

/// Frees what the handle holds at once. The external stays, and counts as disposed of.
void dispose(Napi::Env env, Handle& handle);

}  // namespace sos
